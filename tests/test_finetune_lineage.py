"""How variants after fine-tunes descend from each other, and what is in their keys."""

import pytest
from small_jobs import dataset, job, split

from segsweep.config.schema import CalibrationConfig, ClusteringConfig, PruningConfig, QuantizationConfig
from segsweep.config.training_schema import TrainingConfig
from segsweep.lineage.jobs import lineage
from segsweep.lineage.specs import JobSpec
from segsweep.lineage.used_settings import used_settings

SPARSE = ("pruned_float32", "pruned_int8", "pqat_int8")
SHARED = ("clustered_float32", "clustered_int8", "cqat_int8")


def spec(name: str, **settings) -> JobSpec:
    training = TrainingConfig(epochs=30)
    return lineage(job(quantization=QuantizationConfig(name=name, **settings), training=training), dataset())


def made(of: JobSpec) -> list[tuple[str, str]]:
    return [(each.training.kind, each.variant.name) for each in of.variants]


def trained(of: JobSpec) -> list[tuple[str, int]]:
    return [(each.kind, each.config.training.epochs) for each in of.trainings]


def test_weights_are_pruned_once_and_their_integers_made_of_their_float_file():
    found = spec("pruned_int8")
    assert made(found) == [
        ("float", "float32"), ("pruned", "pruned_float32"), ("pruned", "pruned_int8"),
        ("finetune", "float32"), ("finetune", "int8"),
    ]  # fmt: skip
    baseline, floats, asked, control, _ = found.variants
    assert asked is found.asked
    assert asked.source is floats
    assert floats.source is None
    assert floats.training is asked.training
    assert asked.training.parent is control.training.parent is baseline.training
    assert all(each.baseline is baseline for each in found.variants[1:])
    # The float file is the one that another job asks for.
    assert floats.key == spec("pruned_float32").asked.key


def test_the_control_of_float_weights_is_float():
    assert made(spec("clustered_float32")) == [
        ("float", "float32"), ("clustered", "clustered_float32"), ("finetune", "float32")
    ]  # fmt: skip
    assert made(spec("clustered_float32", control=False)) == [("float", "float32"), ("clustered", "clustered_float32")]


@pytest.mark.parametrize(("name", "before"), [("pqat_int8", "pruned"), ("cqat_int8", "clustered")])
def test_after_two_fine_tunes_the_control_has_the_epochs_of_both(name, before):
    found = spec(name, epochs=5)
    kind = found.asked.training.kind
    assert trained(found)[1:] == [(before, 5), (kind, 5), ("finetune", 10)]
    assert found.asked.training.parent.key == spec(f"{before}_float32", epochs=5).asked.training.key
    assert found.asked.training.root is found.variants[0].training
    assert found.asked.source is None
    controls = found.variants[2:]
    assert [(each.training.kind, each.variant.name) for each in controls] == [
        ("finetune", "float32"), ("finetune", "int8")
    ]  # fmt: skip
    # By their epochs people tell them from those of other variants, with which they share the rest.
    assert {used_settings(each)["quantization.epochs"] for each in controls} == {10}
    assert used_settings(found.asked)["quantization.epochs"] == 5
    assert controls[0].key == spec("pruned_float32", epochs=10).variants[-1].key


@pytest.mark.parametrize("name", [*SPARSE, *SHARED, "qat_int8", "int8"])
@pytest.mark.parametrize(
    ("users", "prefix", "setting"),
    [
        (SPARSE, "quantization.pruning.", {"pruning": PruningConfig(0.7)}),
        (SHARED, "quantization.clustering.", {"clustering": ClusteringConfig(8)}),
    ],
)
def test_how_much_is_in_the_keys_of_what_it_bears_on_alone(name, users, prefix, setting):
    one, other = spec(name), spec(name, **setting)
    assert (one.asked.key != other.asked.key) == (name in users)
    assert [each.key for each in one.variants if each.training.kind == "finetune"] == [
        each.key for each in other.variants if each.training.kind == "finetune"
    ]
    assert bool([each for each in used_settings(one.asked) if each.startswith(prefix)]) == (name in users)


def test_a_control_is_shared_by_all_fine_tunes_of_a_budget():
    keys = {spec(name).variants[-1].key for name in ("qat_int8", "pruned_int8", "clustered_int8")}
    assert len(keys) == 1


def test_calibration_bears_on_integers_made_of_float_files_and_on_fine_tunes_that_begin_at_one():
    for name in ("pruned_int8", "qat_int8"):
        assert "quantization.calibration.samples" in used_settings(spec(name).asked)
    assert "quantization.calibration.samples" not in used_settings(spec("pruned_float32").asked)


def test_what_4_bit_weights_are_trained_for_is_the_recipe_of_the_file_they_start_at():
    found = spec("qat_int4")
    assert made(found) == [
        ("float", "float32"), ("qat_int4", "qat_int4"), ("finetune", "float32"), ("finetune", "int4")
    ]  # fmt: skip
    assert found.asked.start.variant.name == "int4"
    assert found.asked.start.key == spec("int4").asked.key
    assert found.asked.training.recipe is None


def test_the_validation_images_are_in_the_key_of_int4_whose_recipe_they_choose():
    def keys(name: str) -> set[str]:
        config = job(quantization=QuantizationConfig(name=name, calibration=CalibrationConfig(range="min_max")))
        return {lineage(config, dataset(test=split(seed))).asked.key for seed in (5, 6)}

    def validated(name: str) -> set[str]:
        config = job(quantization=QuantizationConfig(name=name, calibration=CalibrationConfig(range="min_max")))
        # A training has the same images in its key: only what the variant's own part says is looked at.
        sources = [lineage(config, dataset(validation=split(seed, 2))) for seed in (5, 6)]
        return {each.asked.key for each in sources}

    assert len(keys("int4")) == 1
    assert len(validated("int4")) == 2


def test_another_rule_makes_another_int4_and_no_other_int8(monkeypatch):
    before = {name: spec(name).asked.key for name in ("int4", "int8", "float32", "qat_int4")}
    monkeypatch.setattr("segsweep.lineage.variants.FOUR_BITS_VERSION", 99)
    after = {name: spec(name).asked.key for name in before}
    assert {name for name in before if before[name] != after[name]} == {"int4", "qat_int4"}


def test_a_fine_tune_is_made_again_for_other_ranges_and_not_for_other_corrections():
    def key(**settings) -> str:
        return spec("qat_int8", **settings).asked.training.key

    assert key() == key(correction="none") == key(correction=["bias"])
    ranges = [key(calibration=CalibrationConfig(range=rule)) for rule in ("auto", "min_max", "mse")]
    assert len({*ranges, key(calibration=CalibrationConfig(samples=3))}) == 4
    files = [spec("qat_int8", correction=each).asked.key for each in ("none", ["bias"])]
    assert files[0] != files[1], "the file is compared with the corrected one"
