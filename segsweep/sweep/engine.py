"""A sweep from its points to its comparison: find what is done, run the rest in waves, list what came of it."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segsweep import __version__
from segsweep.config.job_config import mask_credentials, parameters
from segsweep.errors import ConfigError, JobsFailed, SegsweepError
from segsweep.job import LOG_FOLDER, PROGRESS_FOLDER
from segsweep.processes import end_children
from segsweep.progress import Reporter
from segsweep.quiet import quiet
from segsweep.report.comparison import comparison
from segsweep.report.formats import FORMATS
from segsweep.sweep.display import SweepDisplay, showing
from segsweep.sweep.found import finished_trainings, finished_variants
from segsweep.sweep.latency_wave import add_latencies, lacking_latency
from segsweep.sweep.members import members_file, members_of, with_runs
from segsweep.sweep.plan import plan_text
from segsweep.sweep.points import Point, jobs_of
from segsweep.sweep.running import Launch, Runner
from segsweep.sweep.waves import Job
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord
from segsweep.tracking.store import Store


def run_sweep(points: Sequence[Point], launch: Launch, folder: Path) -> None:
    """Do all points and print the comparison.

    Args:
        points: the combinations, in the order they were asked for; equal ones are merged.
        launch: how jobs are run.
        folder: for progress files and logs.

    Raises:
        SegsweepError: what was asked cannot work; nothing was started.
        JobsFailed: some jobs failed; the others are finished and logged.
    """
    jobs, impossible = jobs_of(points)
    first = points[0].config
    if first.sweep.plan:
        print(plan_text(points, jobs, impossible), end="")
        return
    if impossible and not first.sweep.skip_impossible:
        raise ConfigError(
            f"{len(impossible)} of {len(points)} combinations cannot work, the first with "
            f"{' '.join(impossible[0].job.overrides)}: {impossible[0].reason}; leave them out, or set "
            "sweep.skip_impossible=true"
        )
    skipped = [
        replace(member, status="SKIPPED", reason=each.reason)
        for each in impossible
        for member in members_of([each.job])
        if member.asked
    ]
    store = Store.open(first.tracking.uri, first.tracking.experiment)
    store.bury_the_dead()
    members = [*members_of(jobs), *skipped]
    varying = _varying(points)
    tags = {names.COMMAND: mask_credentials(shlex.join(["segsweep run", *sys.argv[1:]])), names.VERSION: __version__}
    name = f"{first.data.name} {first.model.name}: {len(jobs)} jobs"
    params = {name: value for name, value in parameters(first).items() if name not in varying}
    with store.run(names.SWEEP, name, parent=None, tags=tags, params=params) as sweep_id:
        store.log(sweep_id, tags={names.SWEEP_ID: sweep_id})
        store.add_artifacts(sweep_id, {names.MEMBERS_FILE: members_file(members)})
        try:
            runs, reasons = _work(jobs, store, sweep_id, launch, folder)
        except BaseException:
            end_children()
            store.end_running(sweep_id, "KILLED", "the sweep was stopped")
            raise
        members = [*with_runs([each for each in members if each.status is None], runs, reasons), *skipped]
        store.add_artifacts(sweep_id, {names.MEMBERS_FILE: members_file(members)})
        table = comparison(store, store.get(sweep_id))
        files = {f"{names.COMPARISON_STEM}.{format_}": write(table).encode() for format_, write in FORMATS.items()}
        from segsweep.report.figure import size_accuracy_figure

        files[names.COMPARISON_STEM + ".png"] = size_accuracy_figure(table)
        store.add_artifacts(sweep_id, files)
        print(FORMATS["md"](table))
        failed = [member for member in members if member.status == "FAILED"]
        print(f"Store: {store.location.shown} (look at it with: segsweep ui). Sweep: {sweep_id}", file=sys.stderr)
        if failed:
            raise JobsFailed(_failure_table(failed))


def _work(
    jobs: Sequence[Job], store: Store, sweep_id: str, launch: Launch, folder: Path
) -> tuple[dict[str, RunRecord], dict[str, str]]:
    """Run what is missing; return the finished runs by evaluation key, and reasons of failure likewise."""
    wanted = {spec.evaluation_key for job in jobs for spec in job.spec.variants}
    runs = finished_variants(store, wanted)
    pending = [job for job in jobs if any(spec.evaluation_key not in runs for spec in job.spec.variants)]
    progress_folder = folder / PROGRESS_FOLDER
    progress_folder.mkdir(parents=True, exist_ok=True)
    reasons: dict[str, str] = {}
    with showing(progress_folder, len(jobs), len(jobs) - len(pending)) as display:
        if pending:
            runner = Runner(store, sweep_id, launch, folder)
            reasons = runner.run(pending, finished_trainings(store))
            store.end_running(sweep_id, "FAILED", "its worker ended without a word")
            runs = finished_variants(store, wanted)
        _measure_latency(jobs, store, list(runs.values()), folder / LOG_FOLDER / "latency.log", display)
    return runs, reasons


def _measure_latency(
    jobs: Sequence[Job], store: Store, records: list[RunRecord], log: Path, display: SweepDisplay
) -> None:
    settings = jobs[0].spec.config.evaluation.latency if jobs else None
    lacking = lacking_latency(records)
    if settings is None or not settings.enabled or not lacking:
        return
    display.note(f"measuring latency of {len(lacking)} files, one after the other")
    with quiet(log):
        add_latencies(store, lacking, settings, Reporter(None, 0, "latency"))


def _varying(points: Sequence[Point]) -> set[str]:
    """Names of the settings that are not the same in all points."""
    leaves = [parameters(point.config) for point in points]
    return {name for each in leaves for name in each if any(other.get(name) != each[name] for other in leaves)}


def _failure_table(failed: Sequence[Member]) -> str:
    lines = [f"{len(failed)} variants failed:"]
    for member in failed:
        settings = member.settings
        what = f"w{settings.get('model.width')} lr{settings.get('training.learning_rate')}"
        lines.append(f"  {settings.get('quantization.name')} {what} ({member.training_kind}): {member.reason}")
    return "\n".join(lines)


def require_points(points: Sequence[Point]) -> None:
    """Refuse a sweep without any point."""
    if not points:
        raise SegsweepError("the sweep has no jobs; give at least one value for each axis")
