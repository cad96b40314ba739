"""What is read back from the store, as plain typed values."""

import json
from dataclasses import dataclass, field, fields
from typing import Any

from segsweep.tracking import names


@dataclass(frozen=True)
class RunRecord:
    """One run of the store."""

    run_id: str
    name: str
    status: str
    """`RUNNING`, `FINISHED`, `FAILED` or `KILLED`."""
    started_ms: int
    """Start, in milliseconds since 1970."""
    ended_ms: int | None
    artifact_uri: str
    tags: dict[str, str] = field(repr=False)
    params: dict[str, str] = field(repr=False)
    metrics: dict[str, float] = field(repr=False)

    @property
    def kind(self) -> str:
        """`sweep`, `training`, `variant`, or empty for a run of another program."""
        return self.tags.get(names.KIND, "")

    @property
    def is_finished(self) -> bool:
        """Whether all of the run is there."""
        return self.status == "FINISHED"

    @property
    def sha256(self) -> dict[str, str]:
        """From artifact path to the hash of its bytes."""
        start = len(names.SHA256)
        return {name[start:]: value for name, value in self.tags.items() if name.startswith(names.SHA256)}


@dataclass(frozen=True)
class UsedData:
    """A split of a data set that a run has used."""

    name: str
    digest: str
    """The beginning of its fingerprint."""
    context: str
    """What it was used for: `train`, `validation`, `calibration` or `test`."""
    place: str | None
    """Where it lies; None where it was generated."""
    images: int
    image_shape: tuple[int, int, int]
    """Height, width and channels."""


@dataclass(frozen=True)
class Member:
    """One row that a sweep is to have."""

    evaluation_key: str
    training_key: str
    training_kind: str
    asked: bool
    """False for what goes with a job without being asked for: a baseline, a control."""
    settings: dict[str, Any]
    """The settings that bear on it, by override name."""
    run_id: str | None = None
    """The run that was made or found; None while there is none."""
    status: str | None = None
    """`FINISHED`, `FAILED`, `KILLED` or `SKIPPED`; None while it is not known."""
    reason: str | None = None
    """Why it failed or was skipped."""


def read_members(content: bytes) -> list[Member]:
    """The members in a `sweep/members.json`; what a newer version adds to them is left out."""
    known = {each.name for each in fields(Member)}
    return [
        Member(**{name: value for name, value in entry.items() if name in known})
        for entry in json.loads(content)["members"]
    ]
