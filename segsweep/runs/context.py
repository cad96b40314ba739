"""What every step of a job needs at hand."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from filelock import FileLock

from segsweep import __version__
from segsweep.config.keys import environment
from segsweep.config.schema import SweepConfig
from segsweep.data.dataset import Dataset
from segsweep.errors import MadeElsewhere
from segsweep.lineage.specs import TrainingSpec
from segsweep.progress import Reporter
from segsweep.runs.used_data import data_fingerprint
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_BETWEEN_CLAIMS = 0.5


@dataclass(frozen=True)
class Context:
    """Where a job works."""

    store: Store
    dataset: Dataset
    sweep: SweepConfig
    """Which sweep, job and attempt this is."""
    progress: Reporter
    models: dict[str, Any] = field(default_factory=dict, repr=False)
    """Keras models by training key, kept while they are needed."""
    files: dict[str, Any] = field(default_factory=dict, repr=False)
    """Variant files by variant key that this job read or made: `segsweep.runs.variant_file`."""
    found: dict[str, RunRecord] = field(default_factory=dict, repr=False)
    """Runs by training or evaluation key that this job found or made: they need no second look."""

    def found_or_made(
        self,
        kind: str,
        key_name: str,
        key: str,
        make: Callable[[list[RunRecord]], RunRecord],
        *,
        among: tuple[str, str] | None = None,
    ) -> RunRecord:
        """The finished and intact run of `key`, or what `make` makes.

        Nobody else makes it meanwhile: not on this host, since a lock is held that the system releases when its holder
        dies, and not on another, whose signs of life are waited for.

        Args:
            kind: of the run.
            key_name: the tag that holds `key`.
            key: what the run is to be.
            make: is given the runs that were looked at, newest first; none of them is the one wanted.
            among: tag and value that those share and more than those of `key` may have.
        """
        if key in self.found:
            return self.found[key]
        folder = self.store.location.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            record = None
            while record is None:
                records = self.store.with_key(kind, *(among or (key_name, key)))
                candidates = [each for each in records if each.tags.get(key_name) == key]
                record = next((each for each in candidates if self.store.artifacts.are_intact(each)), None)
                elsewhere = self.store.being_made_elsewhere(candidates)
                if record is None and elsewhere:
                    self.progress.stage(f"waiting for {elsewhere[0].tags[names.HOST]}")
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
                elif record is None:
                    with suppress(MadeElsewhere):
                        record = make(records)
        self.found[key] = record
        return record

    def claim(self, run_id: str, kind: str, key_name: str, key: str) -> None:
        """See to it that of the hosts that began the same at the same moment one goes on, which says so on its run.

        Whoever sees that another has said so, or has the smaller run id, gives way; whoever has the smaller one waits
        for the others to do the one or the other. The lock settles it among the processes of a host.

        Raises MadeElsewhere.
        """
        if self.store.location.database is not None:
            return
        while True:
            records = [record for record in self.store.with_key(kind, key_name, key) if record.run_id != run_id]
            rivals = self.store.being_made_elsewhere(records)
            for rival in [*rivals, *(record for record in records if record.is_finished)]:
                if rival.is_finished and not self.store.artifacts.are_intact(rival):
                    continue
                if rival.is_finished or names.CLAIMED in rival.tags or rival.run_id < run_id:
                    raise MadeElsewhere(f"{rival.tags[names.HOST]} makes the same in run {rival.run_id}")
            if not rivals:
                self.store.log(run_id, tags={names.CLAIMED: "true"})
                return
            time.sleep(_SECONDS_BETWEEN_CLAIMS)

    def common_tags(self, training: TrainingSpec) -> dict[str, str]:
        """Tags of a training run, which its variants bear too."""
        tags = {
            names.SWEEP_ID: self.sweep.id or "",
            names.JOB: str(self.sweep.number),
            names.ATTEMPT: str(self.sweep.attempt),
            names.TRAINING_KEY: training.key,
            names.TRAINING_KIND: training.kind,
            names.VERSION: __version__,
            names.VERSIONS: json.dumps(environment()),
            names.DATA_FINGERPRINT: data_fingerprint(self.dataset),
        }
        if self.dataset.standin:
            tags[names.STANDIN] = "true"
        if training.taught is not None:
            tags[names.TEACHER_KEY] = training.taught.key
        if training.parent is not None:
            tags[names.PARENT_TRAINING_KEY] = training.root.key
        return tags
