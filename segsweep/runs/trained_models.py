"""The networks of trainings as Keras models: with their weights from the store, or as they start."""

import io
from typing import TYPE_CHECKING

import numpy as np

from segsweep.errors import StoreError
from segsweep.lineage.specs import TrainingSpec
from segsweep.quantization.recipe import Recipe, parse_recipe
from segsweep.quantization.training_kinds import BY_START, TRAINING_KINDS
from segsweep.runs.context import Context
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

if TYPE_CHECKING:
    import tf_keras as keras


def load_model(spec: TrainingSpec, context: Context, size: tuple[int, int]) -> "keras.Model":
    """The trained network for images of `size` (height, width), with the weights of the training's run.

    The training has been found or made in this job (`ensure_training`).
    """
    kept = context.models.get(spec.key)
    if kept is not None and tuple(kept.input_shape[1:3]) == size:
        return kept
    weights = kept.get_weights() if kept is not None else weights_of(context.found[spec.key], context.store)
    model = untrained(spec, context, size, recipe=_recipe(spec, context))
    model.set_weights(weights)
    context.models[spec.key] = model
    return model


def weights_of(record: RunRecord, store: Store) -> list[np.ndarray]:
    """The weights that a training's run logged, in the order of `model.weights`.

    Raises:
        StoreError: they are missing or damaged.
    """
    content = store.artifacts.read(record, names.WEIGHTS_FILE)
    if content is None:
        raise StoreError(f"run {record.run_id}: its {names.WEIGHTS_FILE} is missing or damaged")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in sorted(arrays.files)]


def _recipe(spec: TrainingSpec, context: Context) -> Recipe | None:
    """What a training rounds as; that of a file that it started at is on its run."""
    if TRAINING_KINDS[spec.kind].rounds != BY_START:
        return spec.recipe
    record = context.found[spec.key]
    content = context.store.artifacts.required(record, names.RECIPE_FILE)
    return parse_recipe(content.decode(), f"run {record.run_id}: {names.RECIPE_FILE}")


def load_twins(spec: TrainingSpec, context: Context, size: tuple[int, int]) -> "tuple[keras.Model, keras.Model]":
    """The trained network of a quantization-aware training, and a float one without its weights."""
    return load_model(spec, context, size), untrained(spec.root, context, size)


def untrained(
    spec: TrainingSpec,
    context: Context,
    size: tuple[int, int],
    *,
    mixed_precision: bool = False,
    recipe: Recipe | None = None,
) -> "keras.Model":
    """The network of a training, prepared for its kind, with initial weights; `recipe` is what it rounds as, if any."""
    from segsweep.models.table import build_model
    from segsweep.training.runtime import configure

    configure(spec.config.training.threads)
    from segsweep.training.precision import building, require_gpu

    if mixed_precision:
        require_gpu()
    shape = (*size, context.dataset.train.image_shape[2])
    with building(mixed_precision):
        model = build_model(spec.config.model, shape, len(context.dataset.classes), spec.config.seed)
    return prepared(model, spec, recipe)


def prepared(model: "keras.Model", spec: TrainingSpec, recipe: Recipe | None = None) -> "keras.Model":
    """A float network as a training starts from it; `recipe` is what that rounds as, if any."""
    if spec.parent is None:
        return model
    from segsweep.models.freezing import unfrozen_copy
    from segsweep.quantization.batch_norm_folding import fold_batch_norm
    from segsweep.quantization.quantization_aware import quantization_aware

    kind = TRAINING_KINDS[spec.kind]
    if recipe is not None:
        from segsweep.quantization.recipe_training import aware_of

        return aware_of(model, recipe)
    if kind.rounds is not None:
        return quantization_aware(model, kind.rounds)
    if kind.keeps == "clusters":
        # Folded in afterwards, batch norms would give each channel other weights.
        return fold_batch_norm(model)
    return unfrozen_copy(model)
