"""What the trainings that are still to be made need: a GPU, and weights files. What is done needs neither."""

from collections.abc import Sequence

from segsweep.errors import ConfigError
from segsweep.lineage.specs import TrainingSpec
from segsweep.models.weights_files import fetch_weights, weights_file
from segsweep.processes import may_have_gpu
from segsweep.sweep.found import finished_trainings, finished_variants
from segsweep.sweep.plan import store_if_there
from segsweep.sweep.waves import Job
from segsweep.tracking.store import Store


def require_gpu(jobs: Sequence[Job]) -> None:
    """Refuse mixed precision where jobs run on this machine and it plainly has no GPU.

    Raises:
        ConfigError: a training that is still to be made asks for it.
    """
    mixed = [job for job in jobs if job.spec.config.training.mixed_precision]
    if not mixed or may_have_gpu():
        return
    tracking = mixed[0].spec.config.tracking
    if _missing(store_if_there(tracking.uri, tracking.experiment), mixed):
        raise ConfigError(
            "training.mixed_precision=true needs an NVIDIA GPU, and none is seen on this machine "
            "(CUDA_VISIBLE_DEVICES may hide it); set it to false, or choose a launcher whose workers have one, such as "
            "hydra/launcher=ray"
        )


def fetch_needed_weights(store: Store, jobs: Sequence[Job]) -> None:
    """Have the weights files at hand that trainings start from.

    Raises:
        ConfigError: one cannot be had.
    """
    missing = _missing(store, [job for job in jobs if weights_file(job.spec.config.model) is not None])
    fetch_weights(spec.config.model for spec in missing)


def _missing(store: Store | None, jobs: Sequence[Job]) -> list[TrainingSpec]:
    """The float trainings that some of the jobs wait for."""
    if store is None or not jobs:
        return [spec for job in jobs for spec in job.spec.trainings if spec.kind == "float"]
    made = finished_variants(store, {spec.evaluation_key for job in jobs for spec in job.spec.variants})
    pending = [job for job in jobs if any(spec.evaluation_key not in made for spec in job.spec.variants)]
    trainings = {spec.key: spec for job in pending for spec in job.spec.trainings if spec.kind == "float"}
    trained = finished_trainings(store, trainings)
    return [spec for key, spec in trainings.items() if key not in trained]
