"""The files that segsweep's are compared with, made as the manuals of their makers say."""

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from litert_quantizer import recipe
from litert_quantizer.quantizer import Quantizer
from tensorflow_model_optimization.quantization.keras import quantize_model
from tensorflow_model_optimization.quantization.keras.quantizers import Quantizer as ToolkitQuantizer

from segsweep.data.dataset import Dataset
from segsweep.lineage.specs import TrainingSpec
from segsweep.tflite.conversion import convert_quantized
from segsweep.training.trainer import fit


def converter_int8(model: keras.Model, images: np.ndarray) -> bytes:
    """TFLiteConverter's full integer file of a float model, calibrated on normalized images (N, H, W, C)."""
    function = tf.function(lambda image: model(image, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *images.shape[1:]), tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


def library_int8(float_file: bytes, images: np.ndarray) -> bytes:
    """litert-quantizer's int8 file of a float file, calibrated by its own default on normalized images."""
    quantizer = Quantizer(float_file, recipe.static_wi8_ai8())
    signatures = Interpreter(model_content=float_file).get_signature_list()
    ((signature, ports),) = signatures.items()
    (port,) = ports["inputs"]
    feeds = [{port: image[None]} for image in images]
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar has no switch
        statistics = quantizer.calibrate({signature: feeds}, num_threads=1)
    result = quantizer.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def stock_qat(
    build: Callable[[tuple[int, int]], keras.Model],
    spec: TrainingSpec,
    size: tuple[int, int],
    dataset: Dataset,
    calibration: np.ndarray | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """The toolkit's quantization-aware fine-tune, with the settings of segsweep's own and its choice of the epoch.

    Args:
        build: the trained float model, batch norms and all, for images of (height, width).
        spec: segsweep's fine-tune, whose epochs, batches, augmentation and learning rate are used.
        size: height and width of the file's input.
        dataset: what is trained on.
        calibration: normalized images (N, H, W, C); where they are given, the range of the input is the average of
            their extremes, in the place of the smallest and largest value ever seen.

    Returns:
        The file and facts about the training.

    Raises:
        ValueError: the toolkit refuses a layer of the model.
    """
    aware = _quantized(build(spec.size), calibration)
    result = fit(
        aware, dataset, training=spec.config.training, loss=spec.config.loss, size=spec.size, seed=spec.config.seed
    )
    if size != spec.size:
        larger = _quantized(build(size), calibration)
        larger.set_weights(aware.get_weights())
        aware = larger
    steps = len(result.history) * -(-len(dataset.train) // spec.config.training.batch_size)
    facts = {"step_seconds": result.train_step_seconds / steps, "best_epoch": result.best_epoch}
    return convert_quantized(aware), facts


def _quantized(model: keras.Model, calibration: np.ndarray | None) -> keras.Model:
    aware = quantize_model(model)
    if calibration is not None:
        layer = next(each for each in aware.layers if type(each).__name__ == "QuantizeLayer")
        low, high = calibration.min(axis=(1, 2, 3)).mean(), calibration.max(axis=(1, 2, 3)).mean()
        layer.quantizer = _FixedRange(float(min(low, 0)), float(max(high, 0)))
    return aware


class _FixedRange(ToolkitQuantizer):
    """Asymmetric int8 with a range that does not change."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def build(self, tensor_shape: Any, name: str, layer: keras.layers.Layer) -> dict[str, tf.Variable]:
        return {}

    def __call__(self, inputs: tf.Tensor, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> tf.Tensor:
        return tf.quantization.fake_quant_with_min_max_args(inputs, self._low, self._high, num_bits=8)

    def get_config(self) -> dict[str, Any]:
        return {"low": self._low, "high": self._high}
