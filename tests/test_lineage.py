"""Which settings make new work, and which share it."""

from dataclasses import replace

import numpy as np
import pytest
from small_jobs import dataset, job, split

from segsweep.config import loss_schema, schema, training_schema
from segsweep.config.model_schema import BackboneUnetConfig, PixelMlpConfig
from segsweep.config.used_training_settings import SWITCHES
from segsweep.data.dataset import ArraySplit
from segsweep.data.point_labels import PointSplit
from segsweep.errors import ConfigError
from segsweep.lineage.jobs import lineage
from segsweep.lineage.used_settings import used_settings

BASE = lineage(job(), dataset()).asked


@pytest.mark.parametrize(
    "changed",
    [
        job(seed=1),
        job(model=schema.StridedUnetConfig(width=9)),
        job(model=schema.StridedUnetConfig(upsampling="bilinear")),
        job(training=training_schema.TrainingConfig(learning_rate=0.01)),
        job(training=training_schema.TrainingConfig(threads=2)),
        job(training=training_schema.TrainingConfig(optimizer="sgd")),
        job(training=training_schema.TrainingConfig(augmentation=training_schema.AugmentationConfig(flips=False))),
        job(loss=schema.LossConfig(class_weights="balanced")),
        job(loss=loss_schema.FocalLossConfig()),
        job(loss=loss_schema.CombinedLossConfig()),
    ],
)
def test_what_determines_the_weights_makes_a_new_training(changed):
    assert lineage(changed, dataset()).asked.training.key != BASE.training.key


@pytest.mark.parametrize(
    "changed",
    [
        job("float32"),
        job(training=training_schema.TrainingConfig(momentum=0.1)),
        job(quantization=schema.QuantizationConfig(name="int8", epochs=99)),
        job(quantization=schema.QuantizationConfig(name="int8", calibration=schema.CalibrationConfig(samples=2))),
        job(evaluation=schema.EvaluationConfig(batch_size=1)),
    ],
)
def test_what_does_not_shares_the_training(changed):
    assert lineage(changed, dataset()).asked.training.key == BASE.training.key


def test_training_and_validation_data_are_in_the_training_key_and_test_data_only_in_the_evaluation_key():
    for changes in ({"train": split(5)}, {"validation": split(5, 2)}):
        assert lineage(job(), dataset(**changes)).asked.training.key != BASE.training.key
    other = lineage(job(), dataset(test=split(5, 3))).asked
    assert (other.training.key, other.key) == (BASE.training.key, BASE.key)
    assert other.evaluation_key != BASE.evaluation_key


def test_class_names_travel_in_the_file_and_not_in_the_weights():
    other = lineage(job(), dataset(classes=("c", "d"))).asked
    assert other.training.key == BASE.training.key
    assert other.key != BASE.key


def test_calibration_is_in_the_key_of_calibrated_variants_alone():
    def keys(name: str) -> set[str]:
        settings = [schema.CalibrationConfig(samples=samples) for samples in (2, 3)]
        quantizations = [schema.QuantizationConfig(name=name, calibration=each) for each in settings]
        return {lineage(job(quantization=each), dataset()).asked.key for each in quantizations}

    assert len(keys("int8")) == len(keys("int16x8")) == 2
    assert len(keys("float16")) == len(keys("dynamic_range")) == 1


@pytest.mark.parametrize(("samples", "different"), [(2, 4), (6, 1)])
def test_how_calibration_images_are_chosen_is_in_the_key_unless_it_takes_all(samples, different):
    found = {
        lineage(
            job(quantization=schema.QuantizationConfig(name="int8", calibration=each, correction="none")), dataset()
        ).asked.key
        for choice in ("random", "farthest")
        for seed in (0, 1)
        for each in [schema.CalibrationConfig(samples=samples, seed=seed, choice=choice)]
    }
    assert len(dataset().train) == 6
    assert len(found) == different


def test_a_larger_test_image_leaves_the_training_alone_and_makes_a_larger_file():
    other = lineage(job(), dataset(test=split(5, 3, size=30))).asked
    assert other.training.key == BASE.training.key
    assert other.training.size == (16, 16)
    assert other.size == (32, 32)
    assert other.key != BASE.key


def test_a_qat_job_brings_its_control_and_its_baseline():
    spec = lineage(job("qat_int8"), dataset())
    kinds = [(each.training.kind, each.variant.name) for each in spec.variants]
    assert kinds == [("float", "float32"), ("qat", "qat_int8"), ("finetune", "float32"), ("finetune", "int8")]
    assert all(each.baseline is spec.variants[0] for each in spec.variants[1:])
    assert spec.variants[3].source is spec.variants[2]
    qat, control = spec.variants[1].training, spec.variants[2].training
    assert qat.parent is control.parent is spec.variants[0].training
    assert qat.config.training == control.config.training
    assert qat.config.training.learning_rate == pytest.approx(1e-4)
    assert qat.config.training.epochs == schema.QuantizationConfig().epochs


def test_without_control_there_is_none():
    quantization = schema.QuantizationConfig(name="qat_int8", control=False)
    assert [each.training.kind for each in lineage(job(quantization=quantization), dataset()).variants] == [
        "float",
        "qat",
    ]


def test_used_settings_name_what_bears_on_a_variant():
    float32 = used_settings(lineage(job("float32"), dataset()).asked)
    assert "model.width" in float32
    assert "training.momentum" not in float32
    assert not [name for name in float32 if name.startswith("quantization.") and name != "quantization.name"]
    assert "quantization.calibration.samples" in used_settings(BASE)
    assert "quantization.epochs" in used_settings(lineage(job("qat_int8"), dataset()).asked)


def test_a_linear_classifier_has_no_width():
    def asked(width, depth):
        return lineage(job("float32", model=PixelMlpConfig(width=width, depth=depth)), dataset()).asked

    assert asked(8, 0).training.key == asked(16, 0).training.key
    assert asked(8, 1).training.key != asked(16, 1).training.key
    assert "model.width" not in used_settings(asked(8, 0))
    assert used_settings(asked(8, 1))["model.width"] == 8


ON = [
    {"mixed_precision": True},
    {"xla": True},
    {"schedule": "plateau"},
    {"schedule": "plateau", "plateau": training_schema.PlateauConfig(patience=2)},
    {"fine_tuning": training_schema.FineTuningConfig(epochs=2)},
    {"fine_tuning": training_schema.FineTuningConfig(epochs=2, learning_rate=1e-5)},
    {"early_stopping": training_schema.EarlyStoppingConfig(target=0.9)},
    *(
        {"augmentation": training_schema.AugmentationConfig(**{name: value})}
        for name, value in [
            *(("flips", "horizontal"), ("scale", [0.5, 2.0]), ("brightness", 0.1)),
            *(("contrast", [0.8, 1.2]), ("noise", 0.05)),
        ]
    ),
]


def test_what_is_switched_on_makes_a_new_training():
    keys = [lineage(job(training=training_schema.TrainingConfig(**each)), dataset()).asked.training.key for each in ON]
    assert len({*keys, BASE.training.key}) == len(ON) + 1


@pytest.mark.parametrize(
    "changed",
    [
        {"plateau": training_schema.PlateauConfig(factor=0.1)},
        {"fine_tuning": training_schema.FineTuningConfig(frozen="all", learning_rate=0.5)},
        {"preview_images": 0, "tensorboard": True},
        {"pseudo_labels": training_schema.PseudoLabelsConfig(threshold=0.5, images="both", start="anew")},
        {"augmentation": training_schema.AugmentationConfig(scale=None, brightness=0, contrast=None, noise=0)},
    ],
)
def test_what_is_off_or_has_no_effect_does_not(changed):
    spec = lineage(job(training=training_schema.TrainingConfig(**changed)), dataset()).asked
    assert spec.training.key == BASE.training.key
    section = next(iter(changed))
    if section != "augmentation":
        assert {name for name in used_settings(spec) if name.startswith(f"training.{section}")} <= SWITCHES


def test_quantization_aware_training_is_in_one_phase_and_float32_and_knows_no_target():
    settings = training_schema.TrainingConfig(
        mixed_precision=True,
        fine_tuning=training_schema.FineTuningConfig(epochs=2),
        early_stopping=training_schema.EarlyStoppingConfig(target=0.5, patience=7),
    )
    training = lineage(job("qat_int8", training=settings), dataset()).asked.training.config.training
    assert (training.fine_tuning.epochs, training.mixed_precision) == (0, False)
    assert training.early_stopping == training_schema.EarlyStoppingConfig(patience=7)


def sum_of(**settings) -> schema.JobConfig:
    return job(loss=loss_schema.CombinedLossConfig(**settings))


def test_a_training_knows_of_a_sum_only_the_terms_it_has():
    terms, focal, region = loss_schema.LossTerms, loss_schema.FocalSettings, loss_schema.RegionSettings
    key = lineage(sum_of(terms=terms(dice=1)), dataset()).asked.training.key
    for same in (
        sum_of(terms=terms(dice=1.0, focal=0)),
        sum_of(terms=terms(dice=1), focal=focal(gamma=5)),
    ):
        assert lineage(same, dataset()).asked.training.key == key
    for other in (
        sum_of(terms=terms(dice=2)),
        sum_of(terms=terms(dice=1, focal=1)),
        sum_of(terms=terms(dice=1), dice=region(smooth=2)),
        sum_of(terms=terms(dice=1), class_weights=[1, 2]),
    ):
        assert lineage(other, dataset()).asked.training.key != key


def test_the_default_sum_is_the_training_of_the_same_sum_written_down():
    written = lineage(sum_of(terms=loss_schema.LossTerms(dice=1, focal=1)), dataset()).asked
    default = lineage(sum_of(), dataset()).asked
    assert default.training.key == written.training.key
    assert used_settings(default) == used_settings(written)


def test_used_settings_leave_out_those_of_terms_that_a_sum_does_not_have():
    used = used_settings(lineage(sum_of(terms=loss_schema.LossTerms(focal=2)), dataset()).asked)
    assert (used["loss.terms.focal"], used["loss.terms.dice"], used["loss.focal.gamma"]) == (2, 0, 2)
    assert "loss.dice.smooth" not in used


def test_the_key_of_plain_cross_entropy_stays_what_it_was():
    assert loss_schema.used_loss_settings(schema.LossConfig()) == {"name": "cross_entropy", "class_weights": None}


@pytest.mark.parametrize(("kind", "counts"), [(np.uint8, False), (np.float32, True)])
def test_normalization_counts_where_the_model_is_given_it(kind, counts):
    """Photos come to pretrained weights as these were trained."""
    images = ArraySplit(np.zeros((6, 32, 32, 3), kind), np.zeros((6, 32, 32), np.uint8))
    data = dataset(train=images, validation=images, test=images, bands=("r", "g", "b"), rgb=(0, 1, 2))
    base = job(model=BackboneUnetConfig(weights="imagenet"))
    other = replace(base, data=replace(base.data, normalize="percentile"))
    first, second = (lineage(each, data).asked for each in (base, other))
    assert (first.training.key != second.training.key) is counts
    assert (used_settings(first) != used_settings(second)) is counts


@pytest.mark.parametrize(
    ("weights", "augmentation", "expected"),
    [
        ("imagenet", {"brightness": 0.1}, "data"),
        ("imagenet", {"noise": 0.1}, "data"),
        ("imagenet", {"contrast": [0.8, 1.2]}, None),
        (None, {"brightness": 0.1, "noise": 0.1}, None),
    ],
)
def test_the_unit_of_brightness_and_noise_is_in_the_key_where_it_once_was_another(
    monkeypatch, weights, augmentation, expected
):
    """Trainings of before, in which pretrained weights were given another brightness, are not those of today; of all
    others the key stays."""
    contents = []
    monkeypatch.setattr("segsweep.lineage.trainings.content_key", lambda content: str(contents.append(content)))
    settings = training_schema.TrainingConfig(augmentation=training_schema.AugmentationConfig(**augmentation))
    lineage(job("float32", model=BackboneUnetConfig(weights=weights), training=settings), dataset())
    (training,) = (content for content in contents if content.get("kind") == "float")
    assert training.get("colour_unit") == expected


def taught(rounds, **settings):
    labels = training_schema.PseudoLabelsConfig(rounds=rounds, images="training", **settings)
    return job("qat_int8", training=training_schema.TrainingConfig(pseudo_labels=labels))


def test_each_round_is_taught_by_the_one_before():
    thinned = dataset(train=PointSplit(split(0), 3, seed=0))
    untaught = lineage(job(), thinned).asked.training
    twice = lineage(taught(2), thinned)
    keys = [training.key for training in twice.trainings]
    assert len(set(keys)) == 5
    assert [training.kind for training in twice.trainings] == ["float", "float", "float", "qat", "finetune"]
    assert keys[0] == untaught.key
    assert keys[1] == lineage(taught(1), thinned).asked.training.parent.key
    assert (
        lineage(taught(1, threshold=0.5), thinned).asked.training.key != lineage(taught(1), thinned).asked.training.key
    )
    assert used_settings(twice.asked)["training.pseudo_labels.rounds"] == 2


def test_where_there_is_nothing_to_label():
    with pytest.raises(ConfigError, match=r"images=training: every training pixel has a label; choose unlabelled, or"):
        lineage(taught(1), dataset())
    labels = training_schema.PseudoLabelsConfig(rounds=1)
    with pytest.raises(ConfigError, match=r"images=unlabelled: the data has no unlabelled images"):
        lineage(job(training=training_schema.TrainingConfig(pseudo_labels=labels)), dataset())
    thinned = dataset(train=PointSplit(split(0), 3, seed=0))
    with pytest.raises(ConfigError, match=r"threshold=\[0\.5\] must be a number, or one for each of the 2 classes"):
        lineage(taught(1, threshold=[0.5]), thinned)
    smaller = dataset(train=PointSplit(split(0), 3, seed=0), unlabelled=split(5, size=8))
    labels = training_schema.PseudoLabelsConfig(rounds=1, images="both")
    with pytest.raises(ConfigError, match=r"they are \(8, 8, 2\) .* where the training images are \(16, 16, 2\)"):
        lineage(job(training=training_schema.TrainingConfig(pseudo_labels=labels)), smaller)


def test_only_a_validation_without_a_class_makes_another_key_for_the_mean_that_chooses_the_epoch():
    from segsweep.lineage.trainings import _means

    whole = dataset()
    labels = whole.validation.labels
    lacking = dataset(validation=ArraySplit(whole.validation.images, np.zeros_like(labels)))
    by_mean, by_loss = (
        job(
            "float32",
            training=training_schema.TrainingConfig(
                early_stopping=training_schema.EarlyStoppingConfig(monitor=monitor)
            ),
        )
        for monitor in ("val/mean_iou", "val/loss")
    )
    assert _means(by_mean, lacking)
    assert not _means(by_loss, lacking)
    assert not _means(by_mean, whole)


def range_key(how: str, data=None, name: str = "int8", **settings) -> str:
    """Variant key by the way to find ranges, of weights that are not corrected."""
    calibration = schema.CalibrationConfig(range=how, **settings)
    quantization = schema.QuantizationConfig(name=name, calibration=calibration, correction="none")
    return lineage(job(quantization=quantization), data or dataset()).asked.key


def test_the_default_range_depends_on_the_validation_images_and_named_ones_do_not(monkeypatch):
    images = dataset().validation.images
    other = replace(dataset(), validation=ArraySplit(images + 1, dataset().validation.labels))
    trained = lineage(job(), dataset()).asked.training
    # The validation images are in the key of the training too, so this looks at the part of the calibration alone.
    monkeypatch.setattr("segsweep.lineage.jobs.float_training", lambda *_: trained)
    assert range_key("auto") == range_key(schema.CalibrationConfig().range)
    assert range_key("auto") != range_key("auto", other)
    for how in ("min_max", "average", "percentile", "mse"):
        assert range_key(how) == range_key(how, other)
    assert len({range_key(how) for how in ("auto", "min_max", "average", "percentile", "mse")}) == 5


def test_the_version_and_the_percentile_are_in_the_key_of_the_default_range(monkeypatch):
    before = range_key("auto"), range_key("mse")
    assert range_key("auto", percentile=99.0) != before[0]
    assert range_key("mse", percentile=99.0) == before[1]
    monkeypatch.setattr("segsweep.lineage.variants.AUTO_VERSION", 99)
    assert range_key("auto") != before[0]
    assert range_key("mse") == before[1]


def test_activations_of_16_bits_are_not_clipped_by_default():
    assert range_key("auto", name="int16x8") == range_key("min_max", name="int16x8")
    assert range_key("percentile", name="int16x8") != range_key("min_max", name="int16x8")


@pytest.mark.parametrize(
    ("choice", "same"), [("default: int16x8", True), ("default: int8", False), ("layers: {a: int16x8, b: int8}", False)]
)
def test_what_a_recipe_of_16_bits_takes_by_default(tmp_path, choice, same):
    path = tmp_path / "recipe.yaml"
    path.write_text(choice)
    keys = set()
    for how in ("auto", "min_max"):
        calibration = schema.CalibrationConfig(range=how)
        settings = schema.QuantizationConfig(name="mixed", recipe=str(path), calibration=calibration)
        keys.add(lineage(job(quantization=settings), dataset()).asked.key)
    assert (len(keys) == 1) == same


@pytest.mark.parametrize(("how", "used"), [("auto", True), ("percentile", True), ("min_max", False), ("mse", False)])
def test_the_percentile_bears_on_what_tries_it(how, used):
    calibration = schema.CalibrationConfig(range=how)
    spec = lineage(job(quantization=schema.QuantizationConfig(name="int8", calibration=calibration)), dataset()).asked
    assert ("quantization.calibration.percentile" in used_settings(spec)) == used
