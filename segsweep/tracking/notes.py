"""Descriptions of runs in the MLflow UI, with links from one to the other."""

import hashlib

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord


def note_tags(text: str) -> dict[str, str]:
    """The tags that make `text`, Markdown of 8,000 characters at most, a run's description."""
    return {names.NOTE: text, names.NOTE_HASH: _hash(text)}


def is_ours(record: RunRecord) -> bool:
    """Whether a run has no description, or one as it was written here: what somebody has edited is left alone."""
    note = record.tags.get(names.NOTE)
    return note is None or record.tags.get(names.NOTE_HASH) == _hash(note)


def link(experiment_id: str, run_id: str, text: str, page: str = "") -> str:
    """A link to a run's page, or to one of its pages such as `/artifacts/sweep/report.html`.

    It holds in any MLflow server on the store, and says that runs are trainings: the UI of today begins with another
    view, which shows no descriptions.
    """
    escaped = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("|", "\\|")
    return f"[{escaped}](#/experiments/{experiment_id}/runs/{run_id}{page}?workflowType=machine_learning)"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
