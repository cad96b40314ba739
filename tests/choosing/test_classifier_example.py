"""A file that gives a whole image one class: its example program, and what MLflow loads, against sums done by hand."""

import subprocess
import sys

import numpy as np
import pytest
from demo.served_page import classifier, classifier_shares, photo
from PIL import Image
from predict.handmade_models import TILE

from segsweep.choosing.example import example
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.variants import variant_named
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import embed, read
from segsweep.tflite.pyfunc import PyFuncModel

KINDS = 7
PHOTOS = [photo(TILE, TILE, seed) for seed in range(4)]


def normalized(images):
    said = read(classifier(KINDS))
    return ((np.stack(images) - np.array(said.mean)) / np.array(said.std)).astype(np.float32)


@pytest.fixture(scope="module")
def files():
    """The model in float32 and int8."""
    content = classifier(KINDS, rgb=(0, 1, 2))
    quantized = quantize(content, variant_named("int8"), calibrate(content, normalized(PHOTOS)))
    return {"float32": content, "int8": embed(quantized, read(content))}


@pytest.mark.parametrize(("name", "error"), [("float32", 0.0001), ("int8", 0.05)])
def test_the_program_says_the_five_likeliest_classes(tmp_path, files, name, error):
    model, described = files[name], read(files[name])
    (tmp_path / "model.tflite").write_bytes(model)
    (tmp_path / "labels.txt").write_text("".join(f"{each}\n" for each in described.classes), encoding="utf-8")
    text = example(described, TFLiteModel(model), (TILE, TILE), resized=False)
    (tmp_path / "predict.py").write_text(text, encoding="utf-8")
    Image.fromarray(PHOTOS[0]).save(tmp_path / "image.png")
    command = [sys.executable, str(tmp_path / "predict.py"), str(tmp_path / "image.png")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    expected = classifier_shares(PHOTOS[0], KINDS)
    lines = [line.split("%  ") for line in ended.stdout.splitlines()]
    assert len(lines) == 5
    said = {label: float(share) / 100 for share, label in lines}
    for label, share in said.items():
        assert share == pytest.approx(expected[described.classes.index(label)], abs=error)
    assert next(iter(said)) == described.classes[expected.argmax()]
    assert list(said.values()) == sorted(said.values(), reverse=True)
    assert "the class of an image: python predict.py IMAGE.png\n" in text


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_a_loaded_model_gives_each_image_a_class(files, name):
    model = PyFuncModel(files[name])
    expected = [classifier_shares(each, KINDS).argmax() for each in PHOTOS]
    ids = model.predict(np.stack(PHOTOS))
    assert ids.shape == (4, 1, 1)
    assert ids.dtype == np.uint8
    assert ids.ravel().tolist() == expected
    assert model.predict(np.stack(PHOTOS)[:0]).shape == (0, 1, 1)
