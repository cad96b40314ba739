"""A sweep from its first points to its comparison: find what is done, run the rest in waves, list what came of it."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from segsweep import __version__
from segsweep.config.job_config import mask_credentials, parameters
from segsweep.config.keys import environment
from segsweep.config.schema import EnsembleConfig, LatencyConfig, TrackingConfig
from segsweep.errors import ConfigError, JobsFailed, SegsweepError, reason_of
from segsweep.job import LOG_FOLDER, PROGRESS_FOLDER
from segsweep.lineage.specs import VariantSpec
from segsweep.processes import end_children
from segsweep.progress import Reporter
from segsweep.quiet import quiet
from segsweep.references.of_sweep import add_references
from segsweep.report.comparison import compare
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.formats.table import FORMATS, WITH_SWEEP
from segsweep.runs.run_names import varying_settings
from segsweep.sweep.budget import Budget
from segsweep.sweep.describing import describe, table_file
from segsweep.sweep.display import SweepDisplay, showing
from segsweep.sweep.ensembles import ensemble_remarks, ensembles, ensure_ensemble, made_variants
from segsweep.sweep.fitting_recipes import require_fitting_recipes
from segsweep.sweep.found import finished_trainings, finished_variants
from segsweep.sweep.latency_wave import add_latencies, lacking_latency
from segsweep.sweep.members import failure_table, members_file, members_of, merged, skipped_members, with_runs
from segsweep.sweep.needs import fetch_needed_weights, require_gpu
from segsweep.sweep.older_store import older_store_remarks
from segsweep.sweep.plan import plan_text
from segsweep.sweep.points import Impossible, Point, data_notes, data_remarks, jobs_of
from segsweep.sweep.pruning import pruning
from segsweep.sweep.running import Failure, Launch, Runner
from segsweep.sweep.search import Result, Search
from segsweep.sweep.waves import Job
from segsweep.tracking import names
from segsweep.tracking.location import locate, require_answer
from segsweep.tracking.records import Member, RunRecord
from segsweep.tracking.store import Store

_MOST_NOTES = 12
"""Notes on data that a sweep's run keeps: MLflow takes no longer tags."""


def run_sweep(search: Search, launch: Launch, folder: Path, *, here: bool) -> None:
    """Do all points of a search and print the comparison.

    Args:
        search: chooses the points; equal ones are merged.
        launch: how jobs are run.
        folder: for progress files and logs.
        here: whether jobs run on this machine.

    Raises:
        SegsweepError: what was asked cannot work; nothing was started.
        JobsFailed: some jobs failed; the others are finished and logged.
    """
    points = search.ask()
    if not points:
        raise SegsweepError("the sweep has no jobs: there is nothing left to try, and nothing was found")
    jobs, impossible = jobs_of(points)
    first = points[0].config
    if here:
        require_gpu(jobs)
    require_fitting_recipes(jobs)
    if first.sweep.plan:
        if search.total > len(points):
            print(f"in all     up to {search.total} jobs, chosen by what the first ones give, which are these:")
        print(plan_text(points, jobs, impossible), end="")
        return
    if impossible and not first.sweep.skip_impossible:
        raise ConfigError(
            f"{len(impossible)} of {len(points)} combinations cannot work, the first with "
            f"{' '.join(impossible[0].job.overrides)}: {impossible[0].reason}; leave them out, or set "
            "sweep.skip_impossible=true"
        )
    for remark in data_remarks(points):
        print(f"segsweep: note: data: {remark}", file=sys.stderr)
    for remark in ensemble_remarks(jobs, first.ensemble) if search.total <= len(points) else []:
        print(f"segsweep: note: ensemble: {remark}", file=sys.stderr)
    store = _store(first.tracking)
    for remark in older_store_remarks(store):
        print(f"segsweep: note: store: {remark}", file=sys.stderr)
    fetch_needed_weights(store, jobs)
    store.bury_the_dead()
    budget = Budget(first.sweep.max_hours)
    with _sweep_run(store, points, search.total) as sweep_id:
        notes = data_notes(points)
        if notes:
            store.log(sweep_id, tags={names.DATA_NOTES: json.dumps(notes[:_MOST_NOTES])})
        search.begin(store, sweep_id)
        named_for = varying_settings(point.config for point in points)
        runner = Runner(store, sweep_id, launch, folder, budget, named_for)
        work = _Work(store, sweep_id, runner, folder, first.evaluation.latency)
        with showing(folder / PROGRESS_FOLDER, search.total, batches_to_come=search.total > len(points)) as display:
            while points:
                with pruning(search, store, sweep_id):
                    results = work.do(points, jobs, impossible, display, search.needs_latency)
                search.tell(results)
                points = [] if budget.is_over else search.ask()
                jobs, impossible = jobs_of(points) if points else ([], [])
                fetch_needed_weights(store, jobs)
            work.measure_latency(display)
            if first.ensemble.name != "none":
                work.add_ensembles(first.ensemble, display)
            lacking = work.add_references(display)
        if lacking is not None:
            print(f"segsweep: note: references: not computed: {lacking}", file=sys.stderr)
        # Those on other hosts that gave no sign of life since this sweep began.
        store.bury_the_dead()
        files = {names.MEMBERS_FILE: members_file(work.members), **search.summary()}
        store.add_artifacts(sweep_id, files)
        failed = _report(store, sweep_id, work.members)
        if failed:
            raise JobsFailed(failure_table(failed))


class _Work:
    """What a sweep has done so far."""

    def __init__(self, store: Store, sweep_id: str, runner: Runner, folder: Path, latency: LatencyConfig):
        self.members: list[Member] = []
        self._store = store
        self._sweep_id = sweep_id
        self._runner = runner
        self._folder = folder
        self._latency = latency
        self._runs: dict[str, RunRecord] = {}
        self._specs: dict[str, VariantSpec] = {}
        self._failures: dict[str, Failure] = {}

    def do(
        self,
        points: Sequence[Point],
        jobs: Sequence[Job],
        impossible: Sequence[Impossible],
        display: SweepDisplay,
        needs_latency: bool,
    ) -> list[Result]:
        """Run what is missing of a batch of points; return what came of each."""
        self._list_members(merged(self.members, [*members_of(jobs), *skipped_members(impossible)]))
        self._specs |= {spec.evaluation_key: spec for job in jobs for spec in job.spec.variants}
        wanted = {spec.evaluation_key for job in jobs for spec in job.spec.variants}
        runs = finished_variants(self._store, wanted)
        pending = [job for job in jobs if any(spec.evaluation_key not in runs for spec in job.spec.variants)]
        display.batch(len(jobs), len(jobs) - len(pending))
        failures: dict[str, Failure] = {}
        if pending:
            trainings = {spec.key for job in pending for spec in job.spec.trainings}
            failures = self._runner.run(pending, finished_trainings(self._store, trainings))
            self._store.end_running(self._sweep_id, "FAILED", "its worker ended without a word")
            runs = finished_variants(self._store, wanted)
        self._runs |= runs
        if needs_latency:
            self.measure_latency(display)
            runs = finished_variants(self._store, wanted)
            self._runs |= runs
        self._failures = {key: each for key, each in {**self._failures, **failures}.items() if key not in self._runs}
        self._list_members(with_runs(self.members, self._runs, self._failures))
        return _results(points, jobs, impossible, runs, failures)

    def measure_latency(self, display: SweepDisplay) -> None:
        """Measure the files that have no latency of this host yet, when nothing else of the sweep runs."""
        lacking = lacking_latency(self._runs.values())
        if not self._latency.enabled or not lacking:
            return
        display.note(f"measuring latency of {len(lacking)} files, one after the other")
        with quiet(self._folder / LOG_FOLDER / "latency.log"):
            add_latencies(self._store, lacking, self._latency, Reporter(None, 0, "latency"))
        display.note("")

    def add_ensembles(self, config: EnsembleConfig, display: SweepDisplay) -> None:
        """Score the best trainings of each quantization together."""
        # As they are now: their latency was measured meanwhile.
        runs = finished_variants(self._store, set(self._runs))
        wanted = ensembles(made_variants(self._store, self._specs, runs), config)
        for number, spec in enumerate(wanted, start=1):
            display.note(f"scoring ensemble {number} of {len(wanted)}: {spec.quantization}")
            member = ensure_ensemble(spec, self._store, self._sweep_id)
            self._list_members(merged(self.members, [member]))
        display.note("")

    def add_references(self, display: SweepDisplay) -> str | None:
        """Compare the variants with the references of their data; return why that failed, None where it did not.

        The work itself is done: whatever fails here is told, and fails nothing else.
        """
        display.note("comparing with the references")
        try:
            with quiet(self._folder / LOG_FOLDER / "references.log"):
                configs = [spec.config for spec in self._specs.values()]
                variants = finished_variants(self._store, {member.evaluation_key for member in self.members})
                add_references(self._store, self._sweep_id, configs, variants.values())
        except Exception as error:
            return reason_of(error)
        finally:
            display.note("")
        return None

    def _list_members(self, members: list[Member]) -> None:
        self.members = members
        self._store.add_artifacts(self._sweep_id, {names.MEMBERS_FILE: members_file(members)})


def _results(
    points: Sequence[Point],
    jobs: Sequence[Job],
    impossible: Sequence[Impossible],
    runs: dict[str, RunRecord],
    failures: dict[str, Failure],
) -> list[Result]:
    """What came of each point, equal ones and those that cannot work included."""
    by_overrides = {overrides: job for job in jobs for overrides in (job.overrides, *job.equal)}
    reasons = {each.job.overrides: each.reason for each in impossible}
    results = []
    for point in points:
        job = by_overrides.get(point.overrides)
        if job is None:
            results.append(Result(point, None, None, reasons.get(point.overrides, "it cannot work")))
            continue
        key = job.spec.asked.evaluation_key
        failure = failures.get(key)
        reason, pruned, started = None, False, True
        if failure is not None:
            reason, pruned, started = failure.reason, failure.pruned, failure.started
        results.append(Result(point, job, runs.get(key), reason, pruned, started))
    return results


def _store(tracking: TrackingConfig) -> Store:
    """The store, which must answer now; later it is waited for."""
    require_answer(locate(tracking.uri).uri)
    return Store.open(tracking.uri, tracking.experiment, patience=tracking.patience, heartbeat=tracking.heartbeat)


@contextmanager
def _sweep_run(store: Store, points: Sequence[Point], total: int) -> Iterator[str]:
    """The sweep's own run; where it is stopped, so are its jobs, and their runs are KILLED."""
    first = points[0].config
    tags = {
        names.COMMAND: mask_credentials(shlex.join(["segsweep", "run", *sys.argv[1:]])),
        names.VERSION: __version__,
        names.VERSIONS: json.dumps(environment()),
    }
    name = f"{first.data.name} {first.model.name}: {total} {'job' if total == 1 else 'jobs'}"
    varying = _varying(points)
    params = {name: value for name, value in parameters(first).items() if name not in varying}
    with store.run(names.SWEEP, name, parent=None, tags=tags, params=params) as sweep_id:
        store.log(sweep_id, tags={names.SWEEP_ID: sweep_id})
        try:
            yield sweep_id
        except Exception:
            raise
        except BaseException:
            end_children()
            with suppress(Exception):
                store.kill_running(sweep_id, "the sweep was stopped")
            raise


def _report(store: Store, sweep_id: str, members: Sequence[Member]) -> list[Member]:
    """Print the comparison and keep it with the sweep's run; return the members that failed."""
    from segsweep.report.animations import trainings_of
    from segsweep.report.figures.curves import curves_figure, histories
    from segsweep.report.figures.pareto_plots import pareto_figure
    from segsweep.report.figures.rendering import render

    sweep = store.get(sweep_id)
    found = compare(store, sweep)
    report = ReportInput(found.table, found.runs, store, sweep)
    texts = {name: FORMATS[name].write(report) for name in WITH_SWEEP}
    files = {f"{names.COMPARISON_STEM}.{name}": str(text).encode() for name, text in texts.items()}
    files[names.TABLE_FILE] = table_file(found.table)
    trainings = trainings_of(store, sweep)
    figures = {
        names.COMPARISON_STEM + ".png": pareto_figure(found.table, "size_bytes", "mean_iou"),
        names.CURVES_FILE: curves_figure(histories(store, trainings)),
    }
    files |= {path: render(figure, "png", dots=150) for path, figure in figures.items() if figure is not None}
    if (plot := figures[names.COMPARISON_STEM + ".png"]) is not None:
        files[names.SMALL_PLOT_FILE] = render(plot, "png", dots=90)
    store.add_artifacts(sweep_id, files)
    describe(store, sweep, found, trainings)
    print(texts["md"])
    print(f"Store: {store.location.shown} (look at it with: segsweep ui). Sweep: {sweep_id}", file=sys.stderr)
    print("With plots and masks, as one HTML file: segsweep report --output report.html", file=sys.stderr)
    return [member for member in members if member.status == "FAILED"]


def _varying(points: Sequence[Point]) -> set[str]:
    """Names of the settings that are not the same in all points."""
    first, *others = (parameters(point.config) for point in points)
    names_ = {name for other in others for name in other.keys() | first.keys()}
    return {name for name in names_ if any(other.get(name) != first.get(name) for other in others)}
