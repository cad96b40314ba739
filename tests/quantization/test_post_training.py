import os
from pathlib import Path

import numpy as np
import pytest
import small_unet
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tf_keras import layers

from segsweep.errors import ModelError, VariantError
from segsweep.quantization import post_training
from segsweep.quantization.batch_norm_folding import fold_batch_norm
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.variants import VARIANTS, check
from segsweep.tflite.census import census
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.flatbuffer import pack, unpack
from segsweep.tflite.interpreter import TFLiteModel

TRAIN_IMAGES, _ = small_unet.blobs(64, seed=0)
IMAGES, LABELS = small_unet.blobs(32, seed=1)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
def test_file_is_what_its_name_says(upsampling: str, variant: str) -> None:
    file = small_unet.variant_file(upsampling, variant)
    check(VARIANTS[variant], census(file))
    assert accuracy(file) > 0.8  # of 1/3 by chance


def accuracy(file: bytes, delegates: bool = True) -> float:
    return float(np.mean(TFLiteModel(file, delegates=delegates).predict(IMAGES) == LABELS))


def converted(variant: str) -> bytes:
    """The variant by TensorFlow's own converter."""
    model = small_unet.trained("transposed")
    function = tf.function(lambda image: model(image, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *small_unet.SHAPE)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if VARIANTS[variant].calibrated:
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in TRAIN_IMAGES)
        operations = {
            "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            "int16x8": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        }
        converter.target_spec.supported_ops = [operations[variant]]
        converter.inference_input_type = {"int8": tf.int8, "int16x8": tf.int16}[variant]
        converter.inference_output_type = converter.inference_input_type
    return converter.convert()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "agreement"), [("float16", 0.999), ("dynamic_range", 0.99), ("int8", 0.98), ("int16x8", 0.99)]
)
def test_as_good_as_the_converters(variant: str, agreement: float) -> None:
    ours, theirs = small_unet.variant_file("transposed", variant), converted(variant)
    assert abs(accuracy(ours) - accuracy(theirs)) < 0.01
    assert abs(accuracy(ours, delegates=False) - accuracy(theirs, delegates=False)) < 0.01
    assert np.mean(TFLiteModel(ours).predict(IMAGES) == TFLiteModel(theirs).predict(IMAGES)) > agreement


@pytest.mark.parametrize("upsampling", small_unet.UPSAMPLINGS)
@pytest.mark.parametrize("delegates", [True, False])
def test_weight_only_computes_with_rounded_weights(upsampling: str, delegates: bool) -> None:
    model = fold_batch_norm(small_unet.trained(upsampling))
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            kernel, bias = layer.get_weights()
            inputs = (0, 1, 3) if isinstance(layer, layers.Conv2DTranspose) else (0, 1, 2)
            scale = np.abs(kernel).max(axis=inputs, keepdims=True) / 127
            layer.set_weights([np.round(kernel / scale) * scale, bias])
    file = small_unet.variant_file(upsampling, "weight_only_int8")
    logits = TFLiteModel(file, delegates=delegates).logits(IMAGES)
    expected = model.predict(IMAGES, verbose=0)
    # A few weights lie half way between two steps and may go either way.
    np.testing.assert_allclose(logits, expected, atol=0.005 * np.abs(expected).max())
    assert np.mean(logits.argmax(-1) == expected.argmax(-1)) > 0.999


def test_sixteen_bits_are_nearer_than_eight() -> None:
    expected = TFLiteModel(small_unet.float_file("nearest")).logits(IMAGES)
    error = {
        variant: np.abs(TFLiteModel(small_unet.variant_file("nearest", variant)).logits(IMAGES) - expected).mean()
        for variant in ("int8", "int16x8", "weight_only_int8")
    }
    assert error["int16x8"] < 0.5 * error["int8"]
    assert error["int16x8"] == pytest.approx(error["weight_only_int8"], rel=0.1)  # what is left is the weights'


def test_order_of_samples_changes_nothing() -> None:
    file = small_unet.float_file("nearest")
    images = TRAIN_IMAGES * np.linspace(0.1, 2, 64, dtype=np.float32)[:, None, None, None]
    forward, backward = calibrate(file, images), calibrate(file, images[::-1])
    assert forward == backward
    for name in ("int8", "int16x8"):
        assert quantize(file, VARIANTS[name], forward) == quantize(file, VARIANTS[name], backward)


def test_ranges_are_the_smallest_and_largest_values() -> None:
    file = small_unet.float_file("transposed")
    found = calibrate(file, TRAIN_IMAGES[:8])
    interpreter = Interpreter(
        model_content=file,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (port,) = interpreter.get_input_details()
    stored = {operand for details in interpreter._get_ops_details() for operand in details["outputs"]}
    computed = {port["index"]: port["name"]} | {
        details["index"]: details["name"] for details in interpreter.get_tensor_details() if details["index"] in stored
    }
    values: dict[str, list[np.ndarray]] = {name: [] for name in computed.values()}
    for image in TRAIN_IMAGES[:8]:
        interpreter.set_tensor(port["index"], image[np.newaxis])
        interpreter.invoke()
        for index, name in computed.items():
            values[name].append(interpreter.get_tensor(index))
    assert found.samples == 8
    assert set(found.ranges) == set(values)
    for name, arrays in values.items():
        assert found.ranges[name] == pytest.approx((np.min(arrays), np.max(arrays)), abs=1e-4)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", ["int8", "int16x8"])
def test_a_tensor_that_is_always_zero_can_be_quantized(name: str) -> None:
    file, zeros = small_unet.float_file("nearest"), np.zeros((2, *small_unet.SHAPE), np.float32)
    quantized = quantize(file, VARIANTS[name], calibrate(file, zeros))
    expected = TFLiteModel(file).logits(zeros)
    np.testing.assert_allclose(TFLiteModel(quantized).logits(zeros), expected, atol=0.05 * np.abs(expected).max())


def test_values_that_are_not_finite_are_refused() -> None:
    images = TRAIN_IMAGES[:3].copy()
    images[1, 5, 5, 2] = np.inf
    with pytest.raises(ModelError, match="not finite"):
        calibrate(small_unet.float_file("nearest"), images)


def test_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    file = small_unet.float_file("nearest")
    ranges = calibrate(file, TRAIN_IMAGES)
    for variant in VARIANTS.values():
        if variant.training_kind == "float" and not variant.selects_recipe:
            first = quantize(file, variant, ranges)
            assert quantize(file, variant, ranges) == first
    assert capsys.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []


def test_float32_is_the_file_itself() -> None:
    assert quantize(small_unet.float_file("nearest"), VARIANTS["float32"]) == small_unet.float_file("nearest")


def test_recipe_that_quantizes_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = [dict(rule, regex="no layer has this name") for rule in post_training.RECIPES["dynamic_range"]]
    monkeypatch.setattr(post_training, "RECIPES", {"dynamic_range": recipe})
    with pytest.raises(VariantError, match="not dynamic_range"):
        quantize(small_unet.float_file("nearest"), VARIANTS["dynamic_range"])


def test_garbage_is_refused() -> None:
    with pytest.raises(ModelError):
        calibrate(b"hello world" * 100, TRAIN_IMAGES)
    content = unpack(small_unet.float_file("nearest"))
    with pytest.raises(ModelError):
        quantize(pack(content)[:10_000], VARIANTS["dynamic_range"])


@pytest.fixture(scope="module")
def large() -> bytes:
    """A float file whose integer variants hold more than 256 KiB of weights."""
    return convert_float(small_unet.build("nearest", width=40))


@pytest.mark.parametrize(
    "name",
    [name for name, variant in VARIANTS.items() if variant.training_kind == "float" and not variant.selects_recipe],
)
def test_weights_that_the_quantizer_puts_behind_the_flatbuffer_are_seen_and_kept(large: bytes, name: str) -> None:
    variant = VARIANTS[name]
    calibration = calibrate(large, TRAIN_IMAGES[:4]) if variant.calibrated else None
    file = quantize(large, variant, calibration)
    check(variant, census(file))
    if name != "float32":
        assert [buffer for buffer in schema.ModelT.InitFromPackedBuf(file, 0).buffers if buffer.offset > 1]
    rewritten = pack(unpack(file))
    assert not [buffer for buffer in schema.ModelT.InitFromPackedBuf(rewritten, 0).buffers if buffer.offset]
    np.testing.assert_array_equal(TFLiteModel(rewritten).logits(IMAGES[:2]), TFLiteModel(file).logits(IMAGES[:2]))
