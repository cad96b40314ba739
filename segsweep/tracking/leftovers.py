"""What takes up space in a store and could go, without any run being lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from shutil import rmtree

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class Leftover:
    """Files that nobody needs any more."""

    what: str
    """What they are and whose, for people."""
    size: int
    """Bytes."""
    remove: Callable[[], None]


def leftovers(store: Store) -> list[Leftover]:
    """Checkpoints and event files that no training goes on with, and artifacts of runs that failed or were superseded.

    What an interrupted training would go on from is kept, and so is all that belongs to a sweep's own run.
    """
    trainings, variants = store.of_kind(names.TRAINING), store.of_kind(names.VARIANT)
    return [*_checkpoints(store, trainings), *_event_files(store), *_artifacts(store, trainings, names.TRAINING_KEY),
            *_artifacts(store, variants, names.EVALUATION_KEY)]  # fmt: skip


def _checkpoints(store: Store, trainings: list[RunRecord]) -> Iterator[Leftover]:
    """Local checkpoint files, unless a run that is not finished may still want them."""
    # The folder is that of all experiments of the store.
    for path in sorted((store.location.folder / "checkpoints").glob("*.npz")):
        runs = store.in_all_experiments(names.TRAINING_KEY, path.stem)
        if _is_done(runs):
            yield Leftover(f"checkpoint of {runs[0].name}", path.stat().st_size, partial(path.unlink, missing_ok=True))
    for run in trainings:
        size = store.artifacts.size(run, names.CHECKPOINT_FILE) if run.is_finished else 0
        if size:
            yield Leftover(f"shared checkpoint of {run.name}", size, _removal(store, run, names.CHECKPOINT_FILE))


def _event_files(store: Store) -> Iterator[Leftover]:
    """TensorBoard's folders of trainings that are done, or that ended early with no checkpoint to go on from."""
    folder = store.location.folder
    for path in sorted((folder / names.TENSORBOARD_FOLDER).glob("*/")):
        runs = store.in_all_experiments(names.TRAINING_KEY, path.name)
        ended = bool(runs) and all(store.is_abandoned(run) or run.is_finished for run in runs)
        resumable = (folder / "checkpoints" / f"{path.name}.npz").exists() or any(
            store.artifacts.size(run, names.CHECKPOINT_FILE) for run in runs
        )
        if _is_done(runs) or (ended and not resumable):
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            yield Leftover(f"event files of {runs[0].name}", size, partial(rmtree, path, ignore_errors=True))


def _is_done(runs: list[RunRecord]) -> bool:
    """Whether a training has been finished, and nobody makes it again."""
    return any(run.is_finished for run in runs) and not any(run.status == "RUNNING" for run in runs)


def _artifacts(store: Store, runs: list[RunRecord], key_name: str) -> Iterator[Leftover]:
    """Artifacts of runs that failed, or after which the same was made again; `runs` are newest first."""
    made: set[str] = set()
    for run in runs:
        key = run.tags.get(key_name, "")
        superseded = run.is_finished and key in made
        if run.is_finished and store.artifacts.are_intact(run, fetch=False):
            made.add(key)
        if superseded or run.status in ("FAILED", "KILLED"):
            kept = {names.FAILURE_FILE, *([] if superseded else [names.CHECKPOINT_FILE])}
            paths = [path for path in run.sha256 if path not in kept]
            size = sum(store.artifacts.size(run, path) for path in paths)
            if size:
                why = "superseded" if superseded else run.status.lower()
                yield Leftover(f"artifacts of {run.name} ({why})", size, _removal(store, run, *paths))


def _removal(store: Store, run: RunRecord, *paths: str) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            store.artifacts.remove(run, path)

    return remove
