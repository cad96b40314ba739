"""The variants a training can be exported as, and what a file of each must consist of.

A quantization recipe can silently leave operators in float, so a file is believed by its census, not by its name.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from segsweep.errors import VariantError
from segsweep.quantization.training_kinds import TRAINING_KINDS
from segsweep.tflite.census import Census, ComputeOp


@dataclass(frozen=True)
class Variant:
    """One way to store and compute a trained model."""

    name: str
    """The user's word: `quantization=NAME`."""
    training_kind: str
    """The training whose weights it is made of; one of `TRAINING_KINDS`."""
    calibrated: bool
    """Whether it needs the ranges of activations, from :func:`segsweep.quantization.post_training.calibrate`."""
    integer: bool
    """Whether it computes with integers throughout, input and output included."""
    activations: str
    """Data type of activations, input and output."""
    weights: str
    """Data type the weights of convolutions and dense layers are stored in."""
    dequantized: bool
    """Whether weights become float32 before they are multiplied with."""
    constants: frozenset[str]
    """Data types that stored tensors may have: weights, biases, and the shapes that some operators take."""
    float_weights_below: int = 0
    """An operator with fewer weights than this may keep them in float32."""
    kept_weights: str | None = None
    """Data type that some operators may keep their weights in, with the same activations; those that have the
    variant's own `weights` are the most among `FOUR_BIT_OPERATORS`, by their number of weights."""

    @property
    def selects_recipe(self) -> bool:
        """Whether validation images say which layers have which weights."""
        return self.kept_weights is not None

    @property
    def is_converted(self) -> bool:
        """Whether it comes out of a conversion; the others are made from the float file of the same training."""
        float_file = TRAINING_KINDS[self.training_kind].float_file
        return float_file is None or float_file == self.name


FOUR_BIT_OPERATORS = frozenset({"CONV_2D", "FULLY_CONNECTED"})
"""Operators that litert-quantizer gives 4-bit weights and 8-bit activations."""

_INDICES = frozenset({"int32", "int64"})
"""Of tensors that hold sizes and axes in float files."""

_BASIC = (
    Variant(
        name="float32",
        training_kind="float",
        calibrated=False,
        integer=False,
        activations="float32",
        weights="float32",
        dequantized=False,
        constants=_INDICES | {"float32"},
    ),
    Variant(
        name="float16",
        training_kind="float",
        calibrated=False,
        integer=False,
        activations="float32",
        weights="float16",
        dequantized=True,
        constants=_INDICES | {"float32", "float16"},
    ),
    Variant(
        name="dynamic_range",
        training_kind="float",
        calibrated=False,
        integer=False,
        activations="float32",
        weights="int8",
        dequantized=False,
        constants=_INDICES | {"float32", "int8"},
        # TFLiteConverter leaves these in float, since they save little (kWeightsMinNumElementsDefault);
        # our own files have none.
        float_weights_below=1024,
    ),
    Variant(
        name="weight_only_int8",
        training_kind="float",
        calibrated=False,
        integer=False,
        activations="float32",
        weights="int8",
        dequantized=True,
        constants=_INDICES | {"float32", "int8"},
    ),
    Variant(
        name="int8",
        training_kind="float",
        calibrated=True,
        integer=True,
        activations="int8",
        weights="int8",
        dequantized=False,
        constants=frozenset({"int8", "int32"}),
    ),
    Variant(
        name="int16x8",
        training_kind="float",
        calibrated=True,
        integer=True,
        activations="int16",
        weights="int8",
        dequantized=False,
        # int16: constants that are added or multiplied; int64: biases.
        constants=frozenset({"int8", "int16", "int32", "int64"}),
    ),
    Variant(
        name="int4",
        training_kind="float",
        calibrated=True,
        integer=True,
        activations="int8",
        weights="int4",
        dequantized=False,
        constants=frozenset({"int4", "int8", "int32"}),
        kept_weights="int8",
    ),
)


(_INT4,) = (variant for variant in _BASIC if variant.name == "int4")


def _after(training_kind: str, like: str, **changes: Any) -> Variant:
    """The same of other weights."""
    (basic,) = (variant for variant in _BASIC if variant.name == like)
    return replace(basic, name=f"{training_kind}_{like}", training_kind=training_kind, **changes)


VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        *_BASIC,
        _after("qat", "int8", calibrated=False),
        _after("pruned", "float32"),
        _after("pruned", "int8"),
        _after("clustered", "float32"),
        _after("clustered", "int8"),
        _after("pqat", "int8", calibrated=False),
        _after("cqat", "int8", calibrated=False),
        replace(_INT4, name="qat_int4", training_kind="qat_int4"),
    )
}
"""By name. Some have the same census: they differ in how the weights were trained, and in what
`segsweep.quantization.weight_structure` finds in them."""


MIXED = Variant(
    name="mixed",
    training_kind="float",
    calibrated=True,
    integer=False,
    activations="float32",
    weights="float32",
    dequantized=False,
    constants=_INDICES,
)
"""What a recipe says, layer by layer; its files are checked against that, see `segsweep.quantization.mixed`."""

QAT_MIXED = replace(MIXED, name="qat_mixed", training_kind="qat_mixed")
"""The same of weights that were trained for the recipe."""

BY_RECIPE: Mapping[str, Variant] = {variant.name: variant for variant in (MIXED, QAT_MIXED)}
"""The variants that need a recipe, by name."""


def variant_named(name: str) -> Variant:
    """The variant of a name."""
    return BY_RECIPE.get(name) or VARIANTS[name]


def check(variant: Variant, census: Census) -> None:
    """Raises VariantError, with all that is wrong, unless the census is what the variant's name says."""
    faults = [
        *_strays("input", census.inputs, {variant.activations}),
        *_strays("output", census.outputs, {variant.activations}),
        *_strays("computed tensors", census.activations, {variant.activations}),
        *_strays("stored tensors", census.constants, variant.constants),
    ]
    matching = [op for op in census.compute if _computes_as(variant, op)]
    others = [op for op in census.compute if op not in matching and not _may_stay(variant, op)]
    if others:
        faults.append(f"operators of another kind: {_listing(others)}")
    if not matching:
        faults.append("no operator computes as the name says")
    elif variant.kept_weights is not None:
        faults += _too_many_kept(variant, census)
    if faults:
        raise VariantError(f"the file is not {variant.name}: {'; '.join(faults)}")


def _computes_as(variant: Variant, op: ComputeOp) -> bool:
    return (op.activations, op.weights, op.dequantized) == (variant.activations, variant.weights, variant.dequantized)


def _may_stay(variant: Variant, op: ComputeOp) -> bool:
    if op.weights == "float32":
        return op.weight_count < variant.float_weights_below
    return (op.activations, op.weights, op.dequantized) == (variant.activations, variant.kept_weights, False)


def _too_many_kept(variant: Variant, census: Census) -> list[str]:
    """Whether fewer than half of the weights that could be of the variant's type are."""
    able = [op for op in census.compute if op.name in FOUR_BIT_OPERATORS]
    total = sum(op.weight_count for op in able)
    made = sum(op.weight_count for op in able if op.weights == variant.weights)
    return [] if 2 * made >= total else [f"only {made / total:.0%} of the weights that could be are {variant.weights}"]


def _strays(what: str, found: Iterable[str], allowed: Iterable[str]) -> list[str]:
    strays = sorted(set(found) - set(allowed))
    return [f"{what} of {', '.join(strays)}"] if strays else []


def _listing(ops: list[ComputeOp]) -> str:
    kinds = Counter(
        f"{op.name} {op.activations} x {op.weights}{' dequantized' if op.dequantized else ''}" for op in ops
    )
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) + f" (first: {ops[0].output})"
