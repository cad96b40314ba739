"""How what a report shows was made: enough to do it again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from segsweep import __version__
from segsweep.report.formats.report_input import ReportInput
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord

_OLD_PROGRAM = "'segsweep run'"
"""How the command began in runs of older versions."""


@dataclass(frozen=True)
class Provenance:
    """Facts by name, and what is too long for a line."""

    command: str
    """Repeats the sweep; empty where no run says it."""
    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    """Those that all jobs share, by override name."""


def provenance(report: ReportInput) -> Provenance:
    """What the tags of the sweep's run and of its variants' runs say."""
    sweep = report.sweep
    shown = [report.runs[run_id] for run_id in report.table["run_id"] if run_id in report.runs]
    facts = [
        ("sweep", f"{sweep.name} ({sweep.run_id}), {sweep.status.lower()}"),
        ("began", _when(sweep.started_ms)),
        ("ended", _when(sweep.ended_ms) if sweep.ended_ms else "not yet"),
        ("store", f"{report.store.location.shown}, experiment {report.store.experiment}"),
        ("data", _joined(run.params.get("data.name") for run in shown)),
        ("generated in place of the real data", _joined(run.tags.get(names.STANDIN) for run in shown)),
        ("test images", _joined(run.tags.get(names.TEST_IMAGES) for run in shown)),
        *_fingerprints(shown),
        ("seeds", _joined(str(seed) for seed in report.table["seed"].dropna())),
        ("hosts", _joined(run.tags.get(names.HOST) for run in [sweep, *shown])),
        ("processor", _joined(run.tags.get(names.CPU) for run in shown)),
        ("kernels that scored", _joined(run.tags.get(names.RESOLVER) for run in shown)),
        ("segsweep", _joined(run.tags.get(names.VERSION) for run in [sweep, *shown])),
        ("report by segsweep", __version__),
    ]
    command = sweep.tags.get(names.COMMAND, "")
    if command.startswith(_OLD_PROGRAM):
        command = _OLD_PROGRAM.strip("'") + command.removeprefix(_OLD_PROGRAM)
    return Provenance(
        command,
        tuple((name, value) for name, value in facts if value),
        tuple(_versions([sweep, *shown]).items()),
        tuple(sorted(sweep.params.items())),
    )


def _fingerprints(runs: Iterable[RunRecord]) -> list[tuple[str, str]]:
    """Of each split; of several data sets, all of them."""
    found: dict[str, dict[str, None]] = {}
    for tag in dict.fromkeys(run.tags.get(names.DATA_FINGERPRINT, "{}") for run in runs):
        for split, value in _mapping(tag).items():
            found.setdefault(split, {})[str(value)] = None
    return [(f"fingerprint, {split}", ", ".join(values)) for split, values in found.items()]


def _versions(runs: Iterable[RunRecord]) -> dict[str, str]:
    """By package; of hosts that differ, all of them."""
    found: dict[str, dict[str, None]] = {}
    for tag in dict.fromkeys(run.tags.get(names.VERSIONS, "{}") for run in runs):
        for package, version in _mapping(tag).items():
            found.setdefault(package, {})[str(version)] = None
    return {package: ", ".join(versions) for package, versions in found.items()}


def _mapping(text: str) -> Mapping[str, object]:
    """What a tag holds as JSON; empty where it was cut off or is something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _joined(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def _when(milliseconds: int | None) -> str:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
