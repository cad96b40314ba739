"""A band that is lost under one scale comes back; what is said of it; and files whose bands cannot be rescaled."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import small_source
import small_unet
import tf_keras as keras
from PIL import Image
from tf_keras import layers

from segsweep.candidates.bands.advice import advice
from segsweep.candidates.bands.audit import audit
from segsweep.candidates.bands.claimed import claimed_text
from segsweep.candidates.bands.remedies import bounds
from segsweep.candidates.bands.table import bands_csv, bands_figure, bands_json, bands_text, files_text, order
from segsweep.data.dataset import ArraySplit, Normalization
from segsweep.data.task import CLASSIFICATION
from segsweep.report.figures.rendering import render
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import read

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = (1, 1, 1e-3, 1)


def audited(source, **settings):
    wanted = {"images": 256, "percentile": 99.99, "least_bits": 3.0, "test": False}
    return audit(source, source.problem(), **(wanted | settings))


@pytest.fixture(scope="module")
def tiny(one_thread):
    """The audit of a network whose third band is a thousandth of the others."""
    source = small_source.source_of(TINY)
    return source, audited(source, test=True)


def test_a_tiny_band_is_lost_and_comes_back_when_it_is_rescaled(tiny):
    _, found = tiny
    as_is, rescaled = found.tried[:2]
    assert (as_is.name, rescaled.name) == ("int8", "int8, bands rescaled")
    assert found.verdicts(found.grid_of(as_is)) == ["fine", "fine", "lost", "fine"]
    assert found.verdicts(found.grid_of(rescaled)) == ["fine"] * 4
    assert found.training.grids[0].codes[2] == 1
    assert order(found)[0] == 2
    # All lies between -m and m of its band: the factor of the third is the quotient of the two.
    reach = np.abs(small_unet.blobs(40, 0)[0][:16] * TINY).max(axis=(0, 1, 2))
    np.testing.assert_allclose(rescaled.file.factors, reach.max() / reach, rtol=1e-5)
    exact = found.exact_score("accuracy")
    assert exact > 0.8
    assert as_is.score("accuracy") < exact - 0.05
    assert rescaled.score("accuracy") == pytest.approx(exact, abs=0.01)
    assert rescaled.agreement > 0.97
    assert found.best("accuracy").file.remedy.rescale is not None


def test_on_a_single_image_the_file_that_is_most_like_the_float_file_is_the_best(tiny):
    """Whatever its score: the first has the highest one here, the last the most of the predictions."""
    _, found = tiny
    right, wrong = np.array([[[9, 1], [0, 6]]]), np.array([[[8, 2], [2, 4]]])
    first, last = found.tried[:2]
    files = (replace(first, by_image=right, agreement=0.8), replace(last, by_image=wrong, agreement=0.9))
    assert replace(found, tried=files).best("accuracy").name == last.name


def test_the_better_file_says_how_its_images_are_normalized(tiny):
    source, found = tiny
    rescaled = found.tried[1]
    metadata = read(rescaled.file.content)
    assert metadata.quantization == "int8"
    np.testing.assert_allclose(metadata.std, 1 / rescaled.file.factors)
    images, labels = source.dataset.validation.read(np.arange(12))
    normalization = Normalization(np.array(metadata.mean, np.float32), np.array(metadata.std, np.float32))
    predicted = TFLiteModel(rescaled.file.content).predict(normalization.apply(images))
    assert np.mean(predicted == labels) == pytest.approx(rescaled.score("accuracy"), abs=2e-3)


def test_what_is_said_names_the_band_and_what_to_do(tiny):
    source, found = tiny
    text = advice(found, source.config, "accuracy", writable=True)
    assert text.startswith("c is lost; the coarsest, c, has 0.0 bits of 8: one scale holds -")
    assert "--output FILE writes it" in text
    assert "would be lost" not in text
    assert "--output" not in advice(found, source.config, "accuracy", writable=False)
    table = bands_text(found, "accuracy")
    first = table.splitlines()[2]
    assert first.split("|")[1].strip() == "c"
    assert " lost " in first
    assert "clipped in test" in table
    assert files_text(found, "accuracy").count("int8") >= len(found.tried)
    kept = json.loads(bands_json(found, "accuracy"))
    assert [each["band"] for each in kept["bands"]] == [small_source.BANDS[band] for band in order(found)]
    assert kept["bands"][0]["verdict"] == "lost"
    assert kept["bands"][0]["files"]["int8, bands rescaled"]["factor"] > 100
    assert kept["bands"][0]["highest"] == pytest.approx(small_unet.blobs(40, 0)[0][..., 2].max() / 1000)
    assert bands_csv(found).decode().splitlines()[1].startswith("c,lost,")
    Image.open(io.BytesIO(render(bands_figure(found, "accuracy"), "png", dots=50))).verify()


def test_a_few_values_far_out_take_the_scale_and_clipping_gives_it_back():
    source = small_source.source_of()
    images = source.dataset.train.images.copy()
    images[:16, 0, 0, 1] = 1500.0
    train = ArraySplit(images, source.dataset.train.labels)
    source = replace(source, dataset=replace(source.dataset, train=train), calibration_images=images[:16])
    # By default, the job's own file would clip them.
    best = audited(source).tried[0]
    assert "min_max" not in str(best.file.problem.choice)
    source = small_source.with_range(source, "min_max", 99.99)
    found = audited(source, percentile=99.8)
    assert best.score("accuracy") > found.tried[0].score("accuracy") + 0.05
    named = {each.name: each for each in found.tried}
    as_is, clipped = named["int8"], named["int8, every range clipped"]
    assert set(found.verdicts(found.grid_of(as_is))) == {"lost"}
    assert "lost" not in found.verdicts(found.grid_of(clipped))
    assert clipped.score("accuracy") > as_is.score("accuracy") + 0.05
    # Rescaled by its ends alone, the band with the outliers stays what it was.
    rescaled = named["int8, bands rescaled"]
    assert found.verdicts(found.grid_of(rescaled)) == ["fine", "lost", "fine", "fine"]
    assert found.best("accuracy").file.remedy.clip or found.best("accuracy").file.remedy.range
    grids = (found.grid_of(as_is), found.grid_of(clipped))
    settings = replace(found, tried=(as_is, clipped), training=replace(found.training, grids=grids))
    words = advice(settings, source.config, "accuracy", writable=True)
    assert "Set quantization.calibration.range=percentile quantization.calibration.percentile=99.8" in words


def test_bounds_by_numpy():
    values = np.arange(2 * 5 * 5 * 2, dtype=np.float32).reshape(2, 5, 5, 2) - 20
    pixels = values.reshape(-1, 2)
    low, high = bounds(values, None, 90)
    assert (low.tolist(), high.tolist()) == ([-20, -19], [78, 79])
    low, high = bounds(values, "together", 90)
    np.testing.assert_allclose(low, np.percentile(pixels, 5))
    np.testing.assert_allclose(high, np.percentile(pixels, 95))
    low, high = bounds(values, "each", 90)
    np.testing.assert_allclose(low, np.percentile(pixels, 5, axis=0))
    np.testing.assert_allclose(high, np.percentile(pixels, 95, axis=0))


def test_where_bands_cannot_be_rescaled_the_input_is_clipped_and_that_is_said():
    keras.utils.set_random_seed(0)
    inputs = keras.Input(small_unet.SHAPE)
    together = layers.Concatenate()([inputs, layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)])
    model = keras.Model(inputs, layers.Conv2D(3, 1)(together))
    found = audited(small_source.source_of(float_model=convert_float(model)))
    assert [each.name for each in found.tried] == [
        "int8",
        "int8, input clipped",
        "int8, every range clipped",
        "int8, ranges by squared error",
        "int8, nothing clipped",
    ]
    assert "Bands were not rescaled: the .tflite file's input goes to CONCATENATION" in files_text(found, "accuracy")


def test_nothing_is_lost_where_bands_are_alike():
    source = small_source.source_of()
    found = audited(source)
    assert found.test is None
    assert "No band is lost" in advice(found, source.config, "accuracy", writable=True)
    # The file as a job makes it, by the run's own way to find ranges.
    own = audited(small_source.with_range(source, "percentile", 99.0), percentile=99.0)
    named = {each.name: each for each in own.tried}
    assert named["int8"].file.content == named["int8, every range clipped"].file.content


def test_a_file_with_one_class_an_image_has_bands_and_draws_too():
    from segsweep.candidates.draws.spread import Setting, measure
    from segsweep.candidates.trying import Trying

    keras.utils.set_random_seed(0)
    inputs = keras.Input(small_unet.SHAPE)
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs))
    source = small_source.source_of(float_model=convert_float(keras.Model(inputs, layers.Dense(3)(features))))
    dataset = source.dataset
    splits = {
        role: ArraySplit(split.images, np.arange(len(split), dtype=np.uint8)[:, None, None] % 3)
        for role, split in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test))
    }
    source = replace(source, dataset=replace(dataset, task=CLASSIFICATION, **splits))
    found = audited(source, test=True)
    assert found.refusal is None
    assert found.tried[0].by_image.shape == (12, 3, 3)
    assert "On 8 test images" in claimed_text(found, source, "accuracy")
    with Trying(source.problem(), workers=1) as trying:
        (drawn,) = measure(trying, source, [Setting("stratified", 6, "percentile")], 2, "int8").drawn
    assert len(drawn.trials) == 2
    assert 0 <= drawn.unstable <= 1
