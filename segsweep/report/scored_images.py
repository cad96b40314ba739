"""Which rows of a comparison were scored on the same images of a split: scores of others do not compare."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pandas as pd

from segsweep.report.attributes import KeptDict
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord

_SHOWN_OTHERWISE = ("histogram", "histogram_reference", "channels", "bands", "rgb", "normalize")
"""Settings of data that change what a model sees of an image, and its fingerprint, but neither image nor truth."""


def images_by_run(members: Sequence[Member], runs: Mapping[str, RunRecord], split: str = "test") -> KeptDict:
    """What stands for the images of a split of each finished run, by its id; `runs` are by evaluation key."""
    found = KeptDict()
    known: dict[str, str] = {}
    for member in members:
        run = runs.get(member.evaluation_key)
        if run is None or not run.is_finished:
            continue
        settings = {
            name: value
            for name, value in member.settings.items()
            if name.startswith("data.") and name.removeprefix("data.") not in _SHOWN_OTHERWISE
        }
        text = json.dumps(settings, sort_keys=True)
        found[run.run_id] = known.setdefault(text, _fingerprint(run, split) or text)
    return found


def images_of(table: pd.DataFrame, split: str = "test") -> pd.Series:
    """The same for the rows of a comparison, or of a part of one; empty where nobody knows."""
    known = table.attrs.get(f"{split}_data")
    if not known:
        return pd.Series("", index=table.index, dtype=object)
    return table["run_id"].map(lambda run: known.get(run, "")).astype(object)


def _fingerprint(run: RunRecord, split: str) -> str | None:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(run.tags[names.DATA_FINGERPRINT])[split])
    return None
