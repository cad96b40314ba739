"""The recipe of an `int4` file: which layers have weights of 4 bits, found on validation images; no TensorFlow.

Kernels for 4-bit weights exist for CONV_2D and FULLY_CONNECTED; other layers with weights keep 8 bits. So do the first
and the last layer, as is usual below 8 bits (Choi et al. 2018, PACT, arXiv 1805.06085, section 4), and those that the
validation images say are worth it: their bytes are lent by a budget, to the layers whose weights of 4 bits change most
predictions for each byte that they save. All files of a network at 4 bits are compared with its int8 file, by the share
of pixels with the class that float32 gives them, which needs no labels.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from segsweep.errors import VariantError
from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.confusion import accuracies
from segsweep.evaluation.file_answers import file_answers
from segsweep.quantization.choices import CHOICES
from segsweep.quantization.layers import Layer, layers
from segsweep.quantization.mixed import quantize_mixed
from segsweep.quantization.post_training import Calibration
from segsweep.quantization.quantizer_rules import is_possible
from segsweep.quantization.range_selection import SelectionImages
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.weight_reconstruction import best_algorithms

LARGEST_SHARE = 0.06
"""Share of the weights that could have 4 bits and keep 8, at most: 53 % of int8's weights."""
MOST_IMAGES = 64
"""Images that files are compared on, at most."""

_EIGHT = LayerChoice("int8")


@dataclass(frozen=True)
class LayerTrial:
    """A layer that can have 4 bits, and what was found out about it."""

    layer: str
    weights: int
    """How many it has."""
    algorithm: str
    """Of `ALGORITHMS`: how its weights are rounded to 4 bits."""
    damage: float | None
    """Share of the pixels that change their class where it alone has 4 bits, more than in the int8 file; None where it
    was not tried, since it keeps 8 bits in any case or is too large to."""
    is_kept: bool
    """Whether it keeps 8 bits."""


@dataclass(frozen=True)
class FourBits:
    """The recipe, and how it was found."""

    recipe: Recipe
    trials: tuple[LayerTrial, ...] = field(repr=False)
    """Of each layer that can have 4 bits, in the order in which they are computed."""

    def table(self) -> bytes:
        """The trials as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["layer", "weights", "algorithm", "changed_pixels", "bits"])
        for each in self.trials:
            damage = "" if each.damage is None else f"{each.damage:.6f}"
            writer.writerow([each.layer, each.weights, each.algorithm, damage, 8 if each.is_kept else 4])
        return text.getvalue().encode()


def four_bits(float_model: bytes, calibration: Calibration, images: np.ndarray, judged: SelectionImages) -> FourBits:
    """The recipe that makes the `int4` file of a float32 file.

    Args:
        float_model: the float32 file.
        calibration: of it; all files are made with it.
        images: (N, H, W, C) float32, normalized: the calibration images, on which weights are rounded.
        judged: what files are compared on.

    Raises:
        VariantError: no layer can have weights of 4 bits.
        ModelError: a file cannot be run.
    """
    found = layers(float_model)
    able = [layer for layer in found if can_be_four_bits(layer)]
    if not able:
        kinds = ", ".join(sorted({layer.weighted.kind for layer in found}))
        raise VariantError(f"no layer can have weights of 4 bits: the model has {kinds} alone; choose int8")
    algorithms = best_algorithms(float_model, calibration, images, able)
    kept, spare = kept_by_rule(found)
    search = _Search(float_model, calibration, judged, found, algorithms)
    damages = {
        layer.name: search.damage(layer) for layer in able if layer.name not in kept and layer.weight_count <= spare
    }
    order = _affordable(able, damages, spare)
    kept = kept | {layer.name for layer in order[: search.fewest(kept, order)]}
    trials = tuple(
        LayerTrial(layer.name, layer.weight_count, algorithms[layer.name], damages.get(layer.name), layer.name in kept)
        for layer in able
    )
    return FourBits(search.recipe(kept), trials)


def can_be_four_bits(layer: Layer) -> bool:
    """Whether there are kernels for it."""
    return is_possible(layer.weighted.kind, CHOICES["int4"])


def kept_by_rule(found: Sequence[Layer]) -> tuple[frozenset[str], int]:
    """The layers that keep 8 bits without being asked, and how many weights more may: the first and the last layer.

    One that has more than its share of the weights gets 4 bits as all others.
    """
    able = [layer for layer in found if can_be_four_bits(layer)]
    spare = int(LARGEST_SHARE * sum(layer.weight_count for layer in able))
    kept = set()
    for layer in sorted(able, key=lambda layer: layer.weight_count):
        if (layer.takes_input or layer.gives_output) and layer.weight_count <= spare:
            kept.add(layer.name)
            spare -= layer.weight_count
    return frozenset(kept), spare


def recipe_of(found: Sequence[Layer], kept: frozenset[str], algorithms: Mapping[str, str]) -> Recipe:
    """4 bits for all layers that can have them but for those `kept`; all are named."""
    return Recipe(
        {
            layer.name: LayerChoice("int4", algorithms[layer.name])
            if can_be_four_bits(layer) and layer.name not in kept
            else _EIGHT
            for layer in found
        },
        _EIGHT,
    )


def _affordable(able: Sequence[Layer], damages: Mapping[str, float], spare: int) -> list[Layer]:
    """The layers that the budget can lend 8 bits to, the one first that changes most for each byte that it saves."""
    hurt = [layer for layer in able if damages.get(layer.name, 0.0) > 0]
    order = []
    for layer in sorted(hurt, key=lambda layer: -damages[layer.name] / layer.weight_count):
        if layer.weight_count <= spare:
            order.append(layer)
            spare -= layer.weight_count
    return order


class _Search:
    """Makes files of recipes and compares them with the int8 file."""

    def __init__(
        self,
        float_model: bytes,
        calibration: Calibration,
        judged: SelectionImages,
        found: Sequence[Layer],
        algorithms: Mapping[str, str],
    ) -> None:
        self._float, self._calibration, self._found, self._algorithms = float_model, calibration, found, algorithms
        self._images, self._reference = judged.images[:MOST_IMAGES], judged.reference[:MOST_IMAGES]
        self._groups, self._classes = judged.groups[:MOST_IMAGES], judged.classes
        self._plain = self._counts(self.recipe(frozenset(layer.name for layer in found)))

    def recipe(self, kept: frozenset[str]) -> Recipe:
        """4 bits but for the layers `kept`."""
        return recipe_of(self._found, kept, self._algorithms)

    def damage(self, layer: Layer) -> float:
        """Share of the pixels that change where the layer alone has 4 bits, minus that of the int8 file."""
        others = frozenset(each.name for each in self._found) - {layer.name}
        alone, plain = (accuracies(counts.sum(axis=0, keepdims=True)) for counts in (
            self._counts(self.recipe(others)), self._plain
        ))  # fmt: skip
        return float(plain[0] - alone[0])

    def fewest(self, kept: frozenset[str], order: Sequence[Layer]) -> int:
        """With how many of `order` at 8 bits the file cannot be told from the int8 file; all where none will do."""
        return _first(lambda count: not self._differs(kept | {layer.name for layer in order[:count]}), len(order))

    def _differs(self, kept: frozenset[str]) -> bool:
        """Whether fewer pixels are as in float32 than in the int8 file; assumed where it cannot be told."""
        counts = self._counts(self.recipe(kept))
        interval = paired_interval(counts, self._plain, accuracies, groups=self._groups)
        return interval is None or (interval.difference < 0 and not interval.is_within_noise)

    def _counts(self, recipe: Recipe) -> np.ndarray:
        """(N, K, K) confusion counts with float32's predictions in the place of the truth."""
        content = quantize_mixed(self._float, recipe, self._calibration)
        return file_answers(content, self._images, self._reference, self._reference, self._classes).by_image


def _first(holds: Callable[[int], bool], last: int) -> int:
    """The smallest count for which it holds, by bisection; `last` where it holds for none before."""
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
