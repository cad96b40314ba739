"""How many of a file's weights are 0, and how many distinct ones a layer has: what pruning and clustering left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.config.schema import QuantizationConfig
from segsweep.errors import VariantError
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.quantization.variants import Variant
from segsweep.tflite.census import stored_weights
from segsweep.tflite.flatbuffer import unpack

_DTYPES: Mapping[int, type] = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT16: np.int16,
}
NEVER_KEPT = frozenset({"DEPTHWISE_CONV_2D"})
"""Operators whose weights are neither pruned nor clustered."""


@dataclass(frozen=True)
class LayerWeights:
    """The stored weights of an operator."""

    operator: str
    """Builtin name, as `CONV_2D`."""
    output: str
    """Name of the tensor it makes."""
    count: int
    zeros: int
    distinct: int

    @property
    def is_kept(self) -> bool:
        """Whether pruning and clustering are for it."""
        return self.operator not in NEVER_KEPT


def weight_structure(model: bytes) -> tuple[LayerWeights, ...]:
    """The operators of a `.tflite` file that multiply with stored weights, in order; biases do not count.

    Raises ModelError for anything but a `.tflite` file.
    """
    content = unpack(model)
    found = []
    for name, tensor, output in stored_weights(content):
        values = _values(tensor, content.buffers[tensor.buffer].data)
        found.append(
            LayerWeights(
                operator=name,
                output=output,
                count=values.size,
                zeros=int(values.size - np.count_nonzero(values)),
                distinct=len(np.unique(values)),
            )
        )
    return tuple(found)


def sparsity(layers: Sequence[LayerWeights]) -> float:
    """Share of all the weights that are 0."""
    return sum(layer.zeros for layer in layers) / max(1, sum(layer.count for layer in layers))


def most_distinct(layers: Sequence[LayerWeights]) -> int:
    """Distinct weights of the layer that has most of them, of those that pruning and clustering are for."""
    return max((layer.distinct for layer in layers if layer.is_kept), default=0)


def as_json(layers: Sequence[LayerWeights]) -> list[dict[str, Any]]:
    """One object a layer, with the names of its fields."""
    return [asdict(layer) for layer in layers]


def check_structure(variant: Variant, layers: Sequence[LayerWeights], settings: QuantizationConfig) -> None:
    """Raises VariantError, with the first layer that is wrong, unless the weights are what the variant's name says."""
    keeps = TRAINING_KINDS[variant.training_kind].keeps
    if keeps is None:
        return
    kept = [layer for layer in layers if layer.is_kept]
    faults = [fault for layer in kept if (fault := _FAULTS[keeps](layer, settings))]
    if not kept:
        faults = ["it has no weights that could be"]
    if faults:
        raise VariantError(
            f"the file is not {variant.name}: {faults[0]} ({len(faults)} of {len(kept)} layers are wrong)"
        )


def _too_few_zeros(layer: LayerWeights, settings: QuantizationConfig) -> str | None:
    # Of whole weights, of which one is left in any case; one more may be what float32 makes of the product.
    asked = settings.pruning.sparsity
    if layer.count - layer.zeros <= max(layer.count * (1 - asked), 1) + 1:
        return None
    return f"{layer.zeros / layer.count:.1%} of the weights of {layer.output} are 0, for a sparsity of {asked:g}"


def _too_many_distinct(layer: LayerWeights, settings: QuantizationConfig) -> str | None:
    clusters = settings.clustering.clusters
    if layer.distinct <= clusters:
        return None
    return f"{layer.output} has {layer.distinct} distinct weights, for {clusters} clusters"


_FAULTS: Mapping[str, Callable[[LayerWeights, QuantizationConfig], str | None]] = {
    "zeros": _too_few_zeros,
    "clusters": _too_many_distinct,
}


def _values(tensor: schema.TensorT, data: np.ndarray) -> np.ndarray:
    """The stored numbers, in order."""
    if tensor.type == schema.TensorType.INT4:
        # Two in a byte, the first in its lower half.
        halves = np.stack([data & 15, data >> 4], axis=-1).reshape(-1)
        return halves[: int(tensor.shape.prod())]
    return data.view(_DTYPES[tensor.type])
