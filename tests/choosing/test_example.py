"""The program beside an exported file: run as it is, against the arithmetic done by hand."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from predict.handmade_models import convolution, metadata, weights

from segsweep.choosing.example import example
from segsweep.data.histogram import Histogram
from segsweep.errors import ModelError
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import embed
from segsweep.tflite.pyfunc import PyFuncModel

SIDE = 16


def by_hand(images, described):
    """Class ids of images (..., C) that are prepared but for their normalization."""
    kernel, bias = weights(len(described.bands), len(described.classes))
    normalized = (images - np.array(described.mean)) / np.array(described.std)
    return (normalized @ kernel[:, 0, 0, :].T + bias).argmax(axis=-1)


def model_of(described):
    kernel, bias = weights(len(described.bands), len(described.classes))
    return embed(convolution(kernel, bias, (SIDE, SIDE)), described)


def ran(folder, described, given, size=(SIDE, SIDE), resized=False):
    """The class ids that the program writes for a file, and what it prints."""
    model = model_of(described)
    (folder / "model.tflite").write_bytes(model)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in described.classes), encoding="utf-8")
    text = example(described, TFLiteModel(model), size, resized=resized)
    (folder / "predict.py").write_text(text, encoding="utf-8")
    command = [sys.executable, str(folder / "predict.py"), str(given), str(folder / "mask.png")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    return np.asarray(Image.open(folder / "mask.png")), ended.stdout


def test_a_picture_of_any_size_is_scaled_as_the_training_images_were(tmp_path):
    described = replace(metadata(3, 3, rgb=(0, 1, 2), dtype="uint8"), classes=("field", "水田", "<b>"))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8))
    # A photograph that was stored on its side is turned first, as the training images were.
    exif = Image.Exif()
    exif[0x112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "image.png", exif=exif)
    ids, said = ran(tmp_path, described, tmp_path / "image.png", resized=True)
    scaled = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR), float)
    np.testing.assert_array_equal(ids, by_hand(scaled, described))
    assert f"{(ids == 1).mean():.2%}  水田" in said
    colours = np.asarray(Image.open(tmp_path / "mask.png").convert("RGB"))
    np.testing.assert_array_equal(colours, np.array(described.palette, np.uint8)[ids])


@pytest.mark.parametrize("size", [(SIDE, SIDE), (SIDE - 3, SIDE - 2)])
def test_bands_are_read_from_an_array(tmp_path, size):
    described = replace(metadata(4, 3), bands=("B02", 'B"03', "B\n04", "B'08"))
    image = np.random.default_rng(1).integers(0, 200, (*size, 4)).astype(np.uint16)
    np.save(tmp_path / "image.npy", image)
    ids, _ = ran(tmp_path, described, tmp_path / "image.npy", size=size)
    np.testing.assert_array_equal(ids, by_hand(image.astype(float), described))


@pytest.mark.parametrize("how", ["equalize", "match"])
def test_histograms_are_changed_as_those_of_the_training_images(tmp_path, how):
    table = np.sort(np.random.default_rng(2).normal(100, 30, (2, 256)), axis=1).astype(np.float32)
    histogram = Histogram(how, table if how == "match" else None)
    mean, std = {"equalize": ((0.4, 0.6), (0.2, 0.3)), "match": ((90.0, 110.0), (30.0, 20.0))}[how]
    described = metadata(2, 3, histogram=how, histogram_table=histogram.rows, dtype="", mean=mean, std=std)
    image = np.random.default_rng(3).integers(0, 50, (SIDE, SIDE, 2)).astype(np.uint16)
    np.save(tmp_path / "image.npy", image)
    ids, _ = ran(tmp_path, described, tmp_path / "image.npy")
    expected = by_hand(histogram.apply(image).astype(float), described)
    assert (ids == expected).mean() > 0.99
    assert len(np.unique(ids)) > 1
    # What MLflow loads does the same.
    np.testing.assert_array_equal(PyFuncModel(model_of(described)).predict(image[np.newaxis])[0], ids)


def test_a_loaded_model_takes_any_numbers_and_smaller_images():
    described = metadata(4, 3)
    model = PyFuncModel(model_of(described))
    images = np.random.default_rng(4).integers(0, 200, (3, SIDE - 1, SIDE - 5, 4))
    expected = by_hand(images.astype(float), described)
    for dtype in (np.uint8, np.uint16, np.float64):
        np.testing.assert_array_equal(model.predict(images.astype(dtype)), expected)
    assert model.predict(images[:0]).shape == (0, SIDE - 1, SIDE - 5)
    for wrong in (images[0], images[..., :3], np.zeros((1, SIDE + 1, SIDE, 4))):
        with pytest.raises(ModelError, match="takes images"):
            model.predict(wrong)
    with pytest.raises(ModelError, match="no metadata"):
        PyFuncModel(convolution(*weights(4, 3), (SIDE, SIDE)))
