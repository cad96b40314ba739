"""Runs by what people type of their ids."""

import json
from collections.abc import Sequence

from segsweep.errors import StoreError
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


def find_run(store: Store, text: str, kinds: Sequence[str], words: str) -> RunRecord:
    """The run of some kinds whose id is `text`, or begins so; not that of an ensemble, which has no file.

    Args:
        store: with the runs.
        text: what was given as RUN.
        kinds: as `names.TRAINING`.
        words: the kinds in words, as `training or variant`.

    Raises:
        StoreError: there is none, more than one, or it is an ensemble.
    """
    runs = [run for kind in kinds for run in store.of_kind(kind)]
    found = [run for run in runs if run.run_id == text] or [run for run in runs if run.run_id.startswith(text)]
    if not found:
        raise StoreError(
            f"RUN {text}: no {words} in {store.experiment} has an id that begins so; "
            "segsweep report --format csv lists them (run_id)"
        )
    if len(found) > 1:
        raise StoreError(f"RUN {text}: {len(found)} runs have ids that begin so; give more of it")
    run = found[0]
    if names.ENSEMBLE_MEMBERS in run.tags:
        members = ", ".join(json.loads(run.tags[names.ENSEMBLE_MEMBERS]))
        raise StoreError(f"run {run.run_id} ({run.name}): is an ensemble, which has no file; give one of {members}")
    return run
