import dataclasses

import pytest
import small_unet

from segsweep.errors import VariantError
from segsweep.quantization.variants import VARIANTS, check
from segsweep.tflite.census import Census, ComputeOp, census

SAME_CENSUS = (
    {"float32", "pruned_float32", "clustered_float32"},
    {"int8", "qat_int8", "pruned_int8", "clustered_int8", "pqat_int8", "cqat_int8"},
    {"int4", "qat_int4"},
)
"""Names that differ in training alone."""
MADE = ["float32", "float16", "dynamic_range", "weight_only_int8", "int8", "int16x8", "int4", "qat_int8"]
"""Variants with a file to look at; the others are like one of these."""


def plain_census(*compute: ComputeOp) -> Census:
    return Census(
        ops={op.name: 1 for op in compute},
        activations={"float32": 2},
        constants={"float32": 100, "int8": 100},
        compute=compute,
        inputs=("float32",),
        outputs=("float32",),
    )


HYBRID = ComputeOp("CONV_2D", "float32", "int8", False, 5000, "hybrid")


def test_table_is_the_contract() -> None:
    weights = ["pruned_float32", "pruned_int8", "clustered_float32", "clustered_int8", "pqat_int8", "cqat_int8"]
    assert list(VARIANTS) == [*MADE, *weights, "qat_int4"]
    calibrated = {name for name, variant in VARIANTS.items() if variant.calibrated}
    assert calibrated == {"int8", "int16x8", "int4", "pruned_int8", "clustered_int8", "qat_int4"}
    assert {name for name, variant in VARIANTS.items() if variant.integer} == {
        name for name in VARIANTS if name.endswith(("int8", "int16x8", "int4")) and name != "weight_only_int8"
    }
    kinds = {name: variant.training_kind for name, variant in VARIANTS.items() if variant.training_kind != "float"}
    assert kinds == {name: name.partition("_")[0] for name in ["qat_int8", *weights]} | {"qat_int4": "qat_int4"}


@pytest.mark.parametrize("made_as", MADE)
@pytest.mark.parametrize("called", VARIANTS)
@pytest.mark.parametrize("upsampling", ["transposed"])
def test_file_passes_under_its_own_name_alone(made_as: str, called: str, upsampling: str) -> None:
    found = census(small_unet.variant_file(upsampling, made_as))
    if made_as == called or any({made_as, called} <= same for same in SAME_CENSUS):
        check(VARIANTS[called], found)
    else:
        with pytest.raises(VariantError, match=f"not {called}"):
            check(VARIANTS[called], found)


@pytest.mark.parametrize("name", ["int8", "int16x8", "qat_int8"])
@pytest.mark.parametrize(
    ("part", "stray"),
    [
        ("inputs", ("float32",)),
        ("outputs", ("float32",)),
        ("activations", {"int8": 9, "int16": 9, "float32": 1}),
        ("constants", {"int8": 9, "float32": 4}),
    ],
)
def test_one_float_tensor_refuses_an_integer_variant(name: str, part: str, stray: object) -> None:
    found = census(small_unet.variant_file("transposed", name))
    with pytest.raises(VariantError, match="float32"):
        check(VARIANTS[name], dataclasses.replace(found, **{part: stray}))


def test_int8_has_no_64_bit_biases() -> None:
    found = census(small_unet.variant_file("transposed", "int8"))
    with pytest.raises(VariantError, match="int64"):
        check(VARIANTS["int8"], dataclasses.replace(found, constants={"int8": 100, "int64": 8}))


@pytest.mark.parametrize("name", ["float16", "weight_only_int8", "int8"])
def test_one_operator_left_behind_is_refused(name: str) -> None:
    """As TRANSPOSE_CONV by some recipes."""
    found = census(small_unet.variant_file("transposed", name))
    *others, last = found.compute
    left_behind = dataclasses.replace(last, weights="float32", dequantized=False, output="left_behind")
    with pytest.raises(VariantError, match=r"1 CONV_2D \w+ x float32 \(first: left_behind\)"):
        check(VARIANTS[name], dataclasses.replace(found, compute=(*others, left_behind)))


def test_dynamic_range_may_keep_few_weights_in_float() -> None:
    small = dataclasses.replace(HYBRID, weights="float32", weight_count=1023)
    check(VARIANTS["dynamic_range"], plain_census(HYBRID, small))
    with pytest.raises(VariantError, match="another kind"):
        check(VARIANTS["dynamic_range"], plain_census(HYBRID, dataclasses.replace(small, weight_count=1024)))
    with pytest.raises(VariantError, match="no operator"):
        check(VARIANTS["dynamic_range"], plain_census(small))


FOUR = ComputeOp("CONV_2D", "int8", "int4", False, 600, "four")
EIGHT = dataclasses.replace(FOUR, weights="int8", weight_count=400, output="eight")


def four_bit_census(*compute: ComputeOp) -> Census:
    plain = plain_census(*compute)
    return dataclasses.replace(
        plain, activations={"int8": 3}, constants={"int4": 300, "int8": 400}, inputs=("int8",), outputs=("int8",)
    )


def test_int4_may_keep_8_bits_where_that_are_fewer_weights() -> None:
    check(VARIANTS["int4"], four_bit_census(FOUR, EIGHT))
    with pytest.raises(VariantError, match="only 43% of the weights that could be are int4"):
        check(VARIANTS["int4"], four_bit_census(FOUR, dataclasses.replace(EIGHT, weight_count=800)))
    with pytest.raises(VariantError, match="no operator computes as the name says"):
        check(VARIANTS["int4"], four_bit_census(EIGHT))


def test_operators_without_kernels_for_4_bits_do_not_count_against_int4() -> None:
    for name in ("DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        check(VARIANTS["int4"], four_bit_census(FOUR, dataclasses.replace(EIGHT, name=name, weight_count=9000)))


@pytest.mark.parametrize("stray", [{"activations": "float32"}, {"weights": "float32"}, {"dequantized": True}])
def test_int4_refuses_what_is_not_8_bits_either(stray: dict) -> None:
    with pytest.raises(VariantError, match="operators of another kind"):
        check(VARIANTS["int4"], four_bit_census(FOUR, dataclasses.replace(EIGHT, weight_count=10, **stray)))
