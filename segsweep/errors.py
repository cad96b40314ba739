"""The exceptions a user can meet."""


class SegsweepError(Exception):
    """What the user gave is wrong; the message is one line that names the thing, the place and the remedy."""


class ConfigError(SegsweepError):
    """A setting is unknown, of the wrong type or out of range."""


class DataError(SegsweepError):
    """The data cannot be read or cannot be used as asked."""


class StoreError(SegsweepError):
    """The tracking store cannot be reached, read or written."""


class NoAnswerError(StoreError):
    """Nobody answers at the store's address."""


class NoStoreError(StoreError):
    """There is no such store or experiment yet."""


class ModelError(SegsweepError):
    """A model or an exported file cannot be used as asked."""


class VariantError(Exception):
    """An exported file is not what its variant's name says."""


class NonFiniteLossError(Exception):
    """A training's loss became NaN or infinite."""


class TrainingFailed(Exception):
    """A training ended in an error; what needs it cannot be made."""

    def __init__(self, training_key: str, reason: str, *, pruned: bool = False):
        super().__init__(reason)
        self.training_key = training_key
        self.pruned = pruned


class WorkStopped(Exception):
    """Work was ended on purpose; its run is KILLED."""


class MadeElsewhere(WorkStopped):
    """Another host makes the same thing at this moment."""


class TrainingPruned(WorkStopped):
    """A training was given up as hopeless."""


class JobsFailed(Exception):
    """Some jobs of a sweep failed; the others are finished and logged."""


def reason_of(error: BaseException) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
