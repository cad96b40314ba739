from pathlib import Path

import numpy as np
import pytest
import small_unet
from ai_edge_litert.interpreter import Interpreter

from segsweep.errors import ModelError
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.flatbuffer import pack, unpack
from segsweep.tflite.interpreter import TFLiteModel

IMAGES, _ = small_unet.blobs(4, seed=1)


def by_hand(file: bytes, image: np.ndarray) -> np.ndarray:
    """Logits (H, W, K) through the interpreter's plain interface and TFLite's formulas, in double precision."""
    interpreter = Interpreter(model_content=file, num_threads=1)
    interpreter.allocate_tensors()
    (port,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    if port["dtype"] != np.float32:
        scale, zero_point = port["quantization"]
        limits = np.iinfo(port["dtype"])
        image = np.clip(np.round(image.astype(np.float64) / scale) + zero_point, limits.min, limits.max)
    interpreter.set_tensor(port["index"], image[np.newaxis].astype(port["dtype"]))
    interpreter.invoke()
    result = interpreter.get_tensor(out["index"])[0]
    scale, zero_point = out["quantization"]
    return result if out["dtype"] == np.float32 else (result.astype(np.float64) - zero_point) * scale


@pytest.mark.parametrize("variant", ["float32", "dynamic_range", "int8", "int16x8", "qat_int8"])
def test_logits_are_those_by_hand(variant: str) -> None:
    file = small_unet.variant_file("nearest", variant)
    images = IMAGES * np.array([1, 1, 3, 10], np.float32)[:, None, None, None]  # the last exceed the int8 range
    logits = TFLiteModel(file).logits(images)
    assert logits.dtype == np.float32
    for image, result in zip(images, logits, strict=True):
        expected = by_hand(file, image)
        # float32 and float64 quotients may round to different integers where they lie half way between.
        assert np.mean(np.abs(result - expected) <= 1e-5 * np.abs(expected).max()) > 0.999


@pytest.mark.parametrize("variant", ["float32", "int8", "int16x8"])
def test_predict_is_argmax_of_logits(variant: str) -> None:
    model = TFLiteModel(small_unet.variant_file("nearest", variant))
    ids = model.predict(IMAGES)
    assert (ids.dtype, ids.shape) == (np.uint8, (4, 32, 32))
    np.testing.assert_array_equal(ids, model.logits(IMAGES).argmax(axis=-1))
    assert set(np.unique(ids)) == {0, 1, 2}


def test_predict_of_two_classes() -> None:
    keras_model = small_unet.build("nearest", classes=2)
    first, second = np.moveaxis(keras_model.predict(IMAGES, verbose=0), -1, 0)
    keras_model.layers[-1].bias.assign([0, np.median(first - second)])  # each class wins half the pixels
    model = TFLiteModel(convert_float(keras_model))
    expected = keras_model.predict(IMAGES, verbose=0).argmax(axis=-1)
    assert np.mean(model.predict(IMAGES) == expected) > 0.999
    assert 0.45 < expected.mean() < 0.55
    ties = TFLiteModel(without_weights(convert_float(keras_model)))
    assert not ties.predict(IMAGES).any()


def test_first_class_wins_ties() -> None:
    model = TFLiteModel(without_weights(small_unet.float_file("nearest")))
    assert not model.logits(IMAGES).any()
    assert not model.predict(IMAGES).any()


def without_weights(file: bytes) -> bytes:
    """The file with all its float weights 0."""
    content = unpack(file)
    for subgraph in content.subgraphs:
        for tensor in subgraph.tensors:
            data = content.buffers[tensor.buffer].data
            if data is not None and tensor.type == 0:
                content.buffers[tensor.buffer].data = np.zeros_like(data)
    return pack(content)


def test_images_do_not_depend_on_each_other() -> None:
    model = TFLiteModel(small_unet.variant_file("nearest", "int8"))
    together = model.predict(IMAGES)
    np.testing.assert_array_equal(model.predict(IMAGES[::-1])[::-1], together)
    assert model.predict(IMAGES[:0]).shape == (0, 32, 32)


def test_describes_itself_and_keeps_time(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(small_unet.float_file("nearest"))
    model = TFLiteModel(path, threads=2, delegates=False)
    assert (model.input_shape, model.classes, model.invoke_seconds) == ((32, 32, 4), 3, 0.0)
    model.predict(IMAGES)
    once = model.invoke_seconds
    model.logits(IMAGES)
    assert 0 < once < model.invoke_seconds


def test_other_image_shape_is_refused() -> None:
    model = TFLiteModel(small_unet.float_file("nearest"))
    with pytest.raises(ModelError, match=r"\(32, 32, 4\).*\(32, 32, 3\)"):
        model.predict(IMAGES[..., :3])


@pytest.mark.parametrize("length", [0, 1, 4, 8, 9, 100, 5_000, 30_000, -100, -1])
def test_truncated_file_is_refused_in_one_line(length: int) -> None:
    with pytest.raises(ModelError) as caught:
        TFLiteModel(small_unet.float_file("nearest")[:length])
    assert "\n" not in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.tflite: No such file"):
        TFLiteModel(tmp_path / "nowhere.tflite")


def test_one_channel_is_refused() -> None:
    with pytest.raises(ModelError, match="1 channel"):
        TFLiteModel(convert_float(small_unet.build("nearest", classes=1)))


def test_integers_without_a_scale_are_refused() -> None:
    content = unpack(small_unet.variant_file("nearest", "int8"))
    main = content.subgraphs[0]
    main.tensors[main.inputs[0]].quantization = None
    with pytest.raises(ModelError, match=r"scale|cannot run|damaged"):
        TFLiteModel(pack(content))
