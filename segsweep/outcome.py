"""How one job of a sweep ended."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JobOutcome:
    """How one job ended."""

    reason: str | None
    """Why it failed, in one line; None where it did not."""
    failed_training: str | None = None
    """Key of the training that failed, if it was one."""
    killed: bool = False
    """Whether its worker was lost, which says nothing about the job itself."""
    pruned: bool = False
    """Whether its training was given up as hopeless."""
    started: bool = True
    """False where the sweep's time was over before the job's turn came."""
    details: str = ""
    """The traceback, where there is one."""
