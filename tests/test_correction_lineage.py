"""Which files `quantization.correction` bears on, and what their keys say of it."""

from dataclasses import replace

import pytest
from small_jobs import dataset, job, split

from segsweep.config import schema
from segsweep.config.checks import check
from segsweep.errors import ConfigError
from segsweep.lineage.jobs import lineage
from segsweep.lineage.specs import VariantSpec
from segsweep.lineage.used_settings import used_settings
from segsweep.quantization.corrections.settings import used_correction
from segsweep.quantization.recipe import LayerChoice, Recipe
from segsweep.quantization.variants import MIXED, QAT_MIXED, VARIANTS

NAME = "quantization.correction"


def asked(correction, variant: str = "int8", **changes) -> VariantSpec:
    # A rule of ranges that looks at no validation images.
    calibration = schema.CalibrationConfig(range="min_max", samples=4)
    quantization = schema.QuantizationConfig(name=variant, correction=correction, calibration=calibration)
    return lineage(job(quantization=quantization), dataset(**changes)).asked


@pytest.mark.parametrize("variant", ["int8", "pruned_int8"])
def test_other_corrections_make_other_files(variant):
    settings = ["none", "auto", ["equalize"], ["bias"], ["equalize", "bias"], ["round"]]
    found = [asked(each, variant) for each in settings]
    assert len({each.key for each in found}) == len(settings)
    assert len({each.training.key for each in found}) == 1
    assert all(used_settings(each)[NAME] == setting for each, setting in zip(found, settings, strict=True))


def test_they_are_applied_in_one_order_whatever_the_order_of_the_list():
    assert asked(["bias", "round", "equalize"]).key == asked(["equalize", "round", "bias"]).key


def test_validation_images_are_in_the_key_where_they_decide():
    other = {"validation": split(5, 2)}

    def keys(correction):
        # Of one training, so that its own validation images are no reason.
        specs = [asked(correction), asked(correction, **other)]
        return {(each.key == specs[0].key) or each.training.key != specs[0].training.key for each in specs}

    assert keys("auto")
    from segsweep.lineage.variants import _correction

    settings = [
        _correction(
            job(quantization=schema.QuantizationConfig(name="int8", correction=each)), VARIANTS["int8"], None, d
        )
        for each in ("auto", ["bias"])
        for d in (dataset(), dataset(**other))
    ]
    assert settings[0] != settings[1]
    assert settings[2] == settings[3]


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic_range", "weight_only_int8", "int16x8"])
def test_files_without_8_bit_activations_are_what_they_were(variant):
    found = [asked(each, variant) for each in ("none", "auto", ["bias"])]
    assert len({each.key for each in found}) == 1
    assert NAME not in used_settings(found[0])


def test_a_fine_tune_begins_at_the_corrected_file():
    found = [asked(each, "qat_int8") for each in ("none", "auto")]
    assert found[0].start.key != found[1].start.key
    assert found[0].key != found[1].key
    assert NAME in used_settings(found[0])


@pytest.mark.parametrize(
    ("variant", "recipe", "setting", "expected"),
    [
        (VARIANTS["int8"], None, "auto", None),
        (VARIANTS["int8"], None, "none", ()),
        (VARIANTS["int8"], None, ["bias", "equalize"], ("equalize", "bias")),
        (VARIANTS["clustered_int8"], None, ["bias", "equalize", "round"], ("bias",)),
        (VARIANTS["qat_int8"], None, ["bias"], ()),
        (replace(MIXED, calibrated=True), Recipe({}, LayerChoice("int4")), "auto", ()),
        (replace(MIXED, calibrated=True), Recipe({}, LayerChoice("int4")), ["round"], ("round",)),
        (replace(MIXED, calibrated=True), Recipe({}, LayerChoice("int4", "hadamard")), ["round", "bias"], ()),
        (replace(MIXED, calibrated=True), Recipe({}, LayerChoice("int16x8")), ["bias"], ()),
        (replace(MIXED, calibrated=False), Recipe(), ["bias"], ()),
        (replace(QAT_MIXED, calibrated=True), Recipe({}, LayerChoice("int4")), ["bias"], ()),
    ],
)
def test_what_a_setting_comes_to(variant, recipe, setting, expected):
    settings = schema.QuantizationConfig(correction=setting)
    assert used_correction(settings, variant, recipe) == expected


@pytest.mark.parametrize(
    "value", ["equalize", "all", None, [], ["equalize", "equalize"], ["rounding"], [1], 1, {}, True]
)
def test_other_values_are_refused_in_one_line(value):
    with pytest.raises(ConfigError, match=r"quantization.correction=.* must be auto, none, or a list") as refused:
        check({NAME: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["auto", "none", ["bias"], ["round", "equalize", "bias"]])
def test_right_values_pass(value):
    check({NAME: value})
