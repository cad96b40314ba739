"""The Hydra task: one job, from its composed configuration to logged variant runs."""

import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from segsweep.config.job_config import to_job_config
from segsweep.config.schema import JobConfig
from segsweep.data.sources import load_dataset
from segsweep.lineage import lineage
from segsweep.progress import Reporter
from segsweep.quiet import quiet
from segsweep.runs.context import Context, variant_name
from segsweep.runs.variant_run import ensure_variant
from segsweep.tracking.store import Store, reason_of
from segsweep.training.runtime import has_other_threads
from segsweep.workers import keep_joblib_worker

PROGRESS_FOLDER = "progress"
LOG_FOLDER = "logs"


@dataclass(frozen=True)
class JobOutcome:
    """How one job ended."""

    key: str | None
    """The job's key; None where it failed before its key was known."""
    run_id: str | None
    """Run of the variant that was asked for."""
    reason: str | None
    """Why it failed, in one line; None where it did not."""
    trace: str | None = field(default=None, repr=False)
    """The traceback."""


def task(composed: DictConfig) -> JobOutcome:
    """Do one job of a sweep; a failure is an outcome and does not stop the jobs beside it."""
    keep_joblib_worker()
    folder = Path(HydraConfig.get().sweep.dir)
    number = int(HydraConfig.get().job.num)
    try:
        return run_job(to_job_config(composed), folder, number)
    except Exception as error:
        return JobOutcome(None, None, reason_of(error), traceback.format_exc())


def run_job(config: JobConfig, folder: Path, number: int) -> JobOutcome:
    """Find or make the runs of one job.

    Args:
        config: its settings; `sweep.id` names the sweep's run.
        folder: of the sweep; progress and the libraries' chatter go into files there.
        number: of the job in the sweep, from 0.
    """
    assert config.sweep.id is not None
    if has_other_threads(config.training.threads):
        # TensorFlow's threads are fixed for the life of a process.
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            return fresh.submit(run_job, config, folder, number).result()
    dataset = load_dataset(config.data)
    spec = lineage(config, dataset)
    progress_folder = folder / PROGRESS_FOLDER
    progress_folder.mkdir(parents=True, exist_ok=True)
    progress = Reporter(progress_folder / f"{number:05d}.json", variant_name(spec.asked))
    try:
        with quiet(folder / LOG_FOLDER / f"{number:05d}.log"):
            context = Context(
                _store(config.tracking.uri, config.tracking.experiment), dataset, config.sweep.id, progress
            )
            runs = {each.evaluation_key: ensure_variant(each, context) for each in spec.variants}
            _forget_models(context)
    except BaseException as error:
        progress.end(reason_of(error))
        if not isinstance(error, Exception):
            raise
        return JobOutcome(spec.key, None, reason_of(error), traceback.format_exc())
    progress.end()
    return JobOutcome(spec.key, runs[spec.asked.evaluation_key].run_id, None)


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
