"""What every variant keeps to; that each file is what its name says is tested in tests/quantization."""

from dataclasses import replace

import pytest
from small_jobs import dataset, job

from segsweep.config.checks import RULES, OneOf
from segsweep.lineage.jobs import lineage
from segsweep.quantization.post_training import RECIPES
from segsweep.quantization.variants import BY_RECIPE, VARIANTS

NAMES = [
    *("float32", "float16", "dynamic_range", "weight_only_int8", "int8", "int16x8", "int4", "qat_int8"),
    *("pruned_float32", "pruned_int8", "clustered_float32", "clustered_int8", "pqat_int8", "cqat_int8", "qat_int4"),
]


def test_every_variant_is_tested_and_can_be_chosen():
    assert list(VARIANTS) == NAMES
    rule = RULES["quantization.name"]
    assert isinstance(rule, OneOf)
    assert set(rule.choices) == {*NAMES, *BY_RECIPE}


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_it_is_made_by_the_converter_or_from_the_float_file(self, name):
        variant = VARIANTS[name]
        assert variant.name == name
        spec = lineage(job(name), dataset()).asked
        assert (spec.source is None) == (name not in {*RECIPES, "int4"})
        assert spec.training.kind == variant.training_kind

    def test_its_key_is_its_own(self, name):
        keys = {lineage(job(each), dataset()).asked.key for each in NAMES}
        assert len(keys) == len(NAMES)
        again = lineage(replace(job(name)), dataset()).asked
        assert again.key in keys
