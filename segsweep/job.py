"""One job, from its settings to logged variant runs; also as the task that Hydra's own launchers call."""

import faulthandler
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.config.schema import JobConfig, TrackingConfig
from segsweep.data.sources import load_dataset
from segsweep.errors import TrainingFailed, reason_of
from segsweep.lineage.jobs import lineage
from segsweep.models.input_scaling import for_model
from segsweep.outcome import JobOutcome
from segsweep.processes import end_children, end_with_parent, keep_joblib_worker
from segsweep.progress import Reporter
from segsweep.quiet import quiet
from segsweep.runs.context import Context
from segsweep.runs.qat_gain import ensure_gain
from segsweep.runs.run_names import variant_name
from segsweep.runs.variant_run import ensure_variant
from segsweep.tracking.location import locate, require_database
from segsweep.tracking.store import Store
from segsweep.training.runtime import has_other_threads

if TYPE_CHECKING:
    from omegaconf import DictConfig

PROGRESS_FOLDER = "progress"
LOG_FOLDER = "logs"


def task(composed: "DictConfig") -> JobOutcome:
    """Do one job of a sweep; a failure is an outcome and does not stop the jobs beside it."""
    from hydra.core.hydra_config import HydraConfig

    from segsweep.config.job_config import to_job_config

    keep_joblib_worker()
    try:
        return run_job(to_job_config(composed), Path(HydraConfig.get().sweep.dir))
    except Exception as error:
        return JobOutcome(reason_of(error))


def run_job(config: JobConfig, folder: Path) -> JobOutcome:
    """Find or make the runs of one job.

    Args:
        config: its settings; `sweep` says of which sweep, which number and which attempt it is.
        folder: of the sweep; progress, and what libraries and tracebacks say, go into files there.
    """
    try:
        if has_other_threads(config.training.threads):
            return _in_fresh_process(config, folder)
        with _time_limit(config, folder):
            return _run(config, folder)
    except BrokenProcessPool as error:
        return JobOutcome(f"its worker was killed ({reason_of(error)})", killed=True)
    except Exception as error:
        return JobOutcome(reason_of(error), details=traceback.format_exc())


def hang_file(folder: Path, number: int) -> Path:
    """Where a job that passed its time limit left what it was doing."""
    return folder / LOG_FOLDER / f"{number:05d}.hang.txt"


@contextmanager
def _time_limit(config: JobConfig, folder: Path) -> Iterator[None]:
    """End this process when the enclosed work passes `sweep.timeout`, and leave a traceback of what it was doing."""
    limit = config.sweep.timeout
    if limit is None:
        yield
        return
    path = hang_file(folder, config.sweep.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        # A thread of the interpreter itself: it also ends what hangs in a library without giving way to Python.
        faulthandler.dump_traceback_later(limit, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    path.unlink()


def _run(config: JobConfig, folder: Path) -> JobOutcome:
    assert config.sweep.id is not None
    number = config.sweep.number
    dataset = for_model(load_dataset(config.data), config.model)
    spec = lineage(config, dataset)
    progress_folder = folder / PROGRESS_FOLDER
    progress_folder.mkdir(parents=True, exist_ok=True)
    progress = Reporter(progress_folder, number, variant_name(spec.asked))
    try:
        with quiet(folder / LOG_FOLDER / f"{number:05d}.log"):
            try:
                store = _store(replace(config.tracking, uri=locate(config.tracking.uri).uri))
                context = Context(store, dataset, config.sweep, progress)
                for each, following in zip(spec.variants, [*spec.variants[1:], None], strict=True):
                    ensure_variant(each, context)
                    if following is None or following.training is not each.training:
                        _forget_models(context)
                ensure_gain(spec.variants, context)
            except Exception:
                traceback.print_exc()
                raise
    except TrainingFailed as error:
        progress.end(str(error), pruned=error.pruned)
        return JobOutcome(str(error), error.training_key, pruned=error.pruned, details=traceback.format_exc())
    except BaseException as error:
        progress.end(reason_of(error))
        if not isinstance(error, Exception):
            raise
        return JobOutcome(reason_of(error), details=traceback.format_exc())
    progress.end()
    return JobOutcome(None)


def _in_fresh_process(config: JobConfig, folder: Path) -> JobOutcome:
    """Run the job where TensorFlow is not loaded yet: its threads are fixed for the life of a process."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=end_with_parent) as fresh:
        future = fresh.submit(run_job, config, folder)
        try:
            return future.result()
        except BaseException:
            end_children()
            raise


def _store(tracking: TrackingConfig) -> Store:
    """The store; a worker keeps its connection from job to job."""
    return _opened_store(tracking.uri, tracking.experiment, tracking.patience, tracking.heartbeat)


@lru_cache(maxsize=1)
def _opened_store(uri: str, experiment: str, patience: float, heartbeat: float) -> Store:
    database = locate(uri).database
    if database is not None:
        # The sweep has made it. A worker on a host without it must not make another one.
        require_database(database)
    return Store.open(uri, experiment, patience=patience, heartbeat=heartbeat)


def _forget_models(context: Context) -> None:
    """Give back the memory of the job's models, which Keras would otherwise keep as long as the process lives."""
    if context.models:
        context.models.clear()
        from segsweep.training.runtime import clear_session

        clear_session()
