"""The file of a run to be profiled, and what is kept of it there."""

from collections.abc import Mapping
from pathlib import Path

from segsweep.errors import StoreError
from segsweep.profiling.profile import Profile
from segsweep.profiling.profile_figure import profile_figure
from segsweep.profiling.profile_text import profile_csv, profile_json, profile_text
from segsweep.report.figures.rendering import render
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.run_ids import find_run
from segsweep.tracking.store import Store

_FILES: Mapping[str, str] = {names.VARIANT: names.MODEL_FILE, names.SEARCH: names.CHOSEN_FILE}
"""Which artifact is the file, by the kind of a run."""


def model_of(store: Store, text: str) -> tuple[RunRecord, Path]:
    """The run of a variant or a search by what was typed of its id, and its file.

    Raises:
        StoreError: there is none, it is an ensemble, or its file is missing or damaged.
    """
    run = find_run(store, text, tuple(_FILES), "variant or search")
    artifact = _FILES[run.kind]
    path = store.artifacts.path(run, artifact)
    if path is None or store.artifacts.read(run, artifact) is None:
        raise StoreError(f"run {run.run_id} ({run.name}): its {artifact} is missing or damaged; run the sweep again")
    return run, path


def keep(store: Store, run: RunRecord, found: Profile) -> list[str]:
    """Keep a profile on its run; the names of the artifacts. An earlier one is replaced."""
    files = {
        f"{names.PROFILE_STEM}.md": profile_text(found).encode(),
        f"{names.PROFILE_STEM}.csv": profile_csv(found).encode(),
        f"{names.PROFILE_STEM}.json": profile_json(found),
        f"{names.PROFILE_STEM}.png": render(profile_figure(found), "png", dots=150),
    }
    # Without a hash on the run: a file that is replaced must not make the run look damaged.
    store.upload(run.run_id, files)
    return list(files)
