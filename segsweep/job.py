"""The Hydra task: one job, from its composed configuration to logged variant runs."""

import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from segsweep.config.job_config import to_job_config
from segsweep.config.schema import JobConfig
from segsweep.data.sources import load_dataset
from segsweep.errors import TrainingFailed
from segsweep.lineage import lineage
from segsweep.progress import Reporter
from segsweep.quiet import quiet
from segsweep.runs.context import Context, variant_name
from segsweep.runs.variant_run import ensure_variant
from segsweep.tracking.location import locate
from segsweep.tracking.store import Store, reason_of
from segsweep.training.runtime import has_other_threads
from segsweep.workers import end_children, keep_joblib_worker

PROGRESS_FOLDER = "progress"
LOG_FOLDER = "logs"


@dataclass(frozen=True)
class JobOutcome:
    """How one job ended."""

    reason: str | None
    """Why it failed, in one line; None where it did not."""
    failed_training: str | None = None
    """Key of the training that failed, if it was one."""


def task(composed: DictConfig) -> JobOutcome:
    """Do one job of a sweep; a failure is an outcome and does not stop the jobs beside it."""
    keep_joblib_worker()
    folder = Path(HydraConfig.get().sweep.dir)
    number = int(HydraConfig.get().job.num)
    try:
        return run_job(to_job_config(composed), folder, number)
    except Exception as error:
        return JobOutcome(reason_of(error))


def run_job(config: JobConfig, folder: Path, number: int) -> JobOutcome:
    """Find or make the runs of one job.

    Args:
        config: its settings; `sweep.id` names the sweep's run.
        folder: of the sweep; progress, and what libraries and tracebacks say, go into files there.
        number: of the job in the sweep, from 0.
    """
    assert config.sweep.id is not None
    if has_other_threads(config.training.threads):
        return _in_fresh_process(config, folder, number)
    dataset = load_dataset(config.data)
    spec = lineage(config, dataset)
    progress_folder = folder / PROGRESS_FOLDER
    progress_folder.mkdir(parents=True, exist_ok=True)
    progress = Reporter(progress_folder, number, variant_name(spec.asked))
    try:
        with quiet(folder / LOG_FOLDER / f"{number:05d}.log"):
            try:
                store = _store(locate(config.tracking.uri).uri, config.tracking.experiment)
                context = Context(store, dataset, config.sweep.id, progress)
                for each, following in zip(spec.variants, [*spec.variants[1:], None], strict=True):
                    ensure_variant(each, context)
                    if following is None or following.training is not each.training:
                        _forget_models(context)
            except Exception:
                traceback.print_exc()
                raise
    except TrainingFailed as error:
        progress.end(str(error))
        return JobOutcome(str(error), error.training_key)
    except BaseException as error:
        progress.end(reason_of(error))
        if not isinstance(error, Exception):
            raise
        return JobOutcome(reason_of(error))
    progress.end()
    return JobOutcome(None)


def _in_fresh_process(config: JobConfig, folder: Path, number: int) -> JobOutcome:
    """Run the job where TensorFlow is not loaded yet: its threads are fixed for the life of a process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        future = fresh.submit(run_job, config, folder, number)
        try:
            return future.result()
        except BaseException:
            end_children()
            raise


@lru_cache(maxsize=1)
def _store(uri: str, experiment: str) -> Store:
    """A worker keeps its connection from job to job."""
    return Store.open(uri, experiment)


def _forget_models(context: Context) -> None:
    """Give back the memory of the job's models, which Keras would otherwise keep as long as the process lives."""
    if context.models:
        context.models.clear()
        from segsweep.training.runtime import clear_session

        clear_session()
