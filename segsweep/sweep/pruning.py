"""Reports running trainings to a search, and ends those that it finds hopeless."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from segsweep.sweep.search import Search
from segsweep.tracking import names
from segsweep.tracking.store import Store

_SECONDS_BETWEEN_LOOKS = 3.0
_SCORE = "val/mean_iou"


@contextmanager
def pruning(search: Search, store: Store, sweep_id: str) -> Iterator[None]:
    """While the enclosed work runs, mark hopeless trainings of the sweep; whoever trains them looks for the mark."""
    if not search.prunes:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(search, store, sweep_id, over), name="pruning", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # It may be waiting for a server that does not answer.
        thread.join(_SECONDS_BETWEEN_LOOKS)


def _watch(search: Search, store: Store, sweep_id: str, over: threading.Event) -> None:
    running = (
        f"attributes.status = 'RUNNING' AND tags.`{names.SWEEP_ID}` = '{sweep_id}' "
        f"AND tags.`{names.TRAINING_KIND}` = 'float' AND tags.`{names.KIND}` = '{names.TRAINING}'"
    )
    while not over.wait(_SECONDS_BETWEEN_LOOKS):
        for run in store.search(running):
            hopeless = None
            for epoch, score in store.history(run.run_id, _SCORE):
                if search.report(run.tags[names.TRAINING_KEY], epoch, score):
                    hopeless = epoch
            if hopeless is not None:
                store.log(run.run_id, tags={names.PRUNE: f"worse than others by epoch {hopeless}"})
