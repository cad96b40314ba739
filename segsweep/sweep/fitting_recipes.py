"""Recipes that do not fit the model, found before a sweep starts where its float file is there."""

from collections.abc import Sequence

from segsweep.errors import ConfigError, ModelError
from segsweep.sweep.found import finished_variants
from segsweep.sweep.plan import store_if_there
from segsweep.sweep.waves import Job
from segsweep.tracking import names


def require_fitting_recipes(jobs: Sequence[Job]) -> None:
    """Hold each recipe against the float file that it is to be applied to, where an earlier sweep has made that.

    Raises:
        ConfigError: one names a layer that is not there, or asks of one what the library cannot do.
    """
    mixed = [spec for job in jobs for spec in job.spec.variants if spec.recipe is not None]
    if not mixed:
        return
    # Both look at flatbuffers with libraries that sweeps without recipes need not load.
    from segsweep.quantization.layers import layers
    from segsweep.quantization.mixed import check_fit

    tracking = mixed[0].config.tracking
    store = store_if_there(tracking.uri, tracking.experiment)
    if store is None:
        return
    # Where it is applied to what a fine-tune will make: layers are called the same there.
    keys = [(spec.source or spec.baseline or spec).evaluation_key for spec in mixed]
    made = finished_variants(store, set(keys))
    for spec, key in zip(mixed, keys, strict=True):
        run = made.get(key)
        content = store.artifacts.read(run, names.MODEL_FILE) if run is not None else None
        if content is None:
            continue
        try:
            assert spec.recipe is not None
            check_fit(spec.recipe, layers(content))
        except ModelError as error:
            raise ConfigError(f"quantization.recipe={spec.config.quantization.recipe}: {error}") from error
