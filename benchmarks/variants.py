"""Times making each post-training variant, and the scoring loop around the interpreter's invokes.

The baseline of a variant is TFLiteConverter making it of the same weights; that of scoring is the sum of the invokes.

    python benchmarks/variants.py
"""

import os
import time
from collections.abc import Callable
from typing import TypeVar

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

_REPEATS = 5
T = TypeVar("T")


def main() -> None:
    """Print two Markdown tables."""
    from segsweep.training.runtime import configure

    configure(1)
    from segsweep.config.data_schema import SyntheticParcelsConfig
    from segsweep.config.schema import StridedUnetConfig
    from segsweep.data.sources import load_dataset
    from segsweep.evaluation.evaluator import evaluate
    from segsweep.models.table import build_model
    from segsweep.quantization.post_training import calibrate, quantize
    from segsweep.quantization.variants import VARIANTS
    from segsweep.tflite.conversion import convert_float
    from segsweep.tflite.interpreter import TFLiteModel

    dataset = load_dataset(SyntheticParcelsConfig())
    images = dataset.normalization.apply(dataset.train.read(np.arange(64))[0])
    model = build_model(StridedUnetConfig(width=8), dataset.train.image_shape, 2, seed=0)
    float_file = convert_float(model)
    calibration, calibrating = fastest(lambda: calibrate(float_file, images))
    print(f"calibration on {len(images)} images: {1e3 * calibrating:.0f} ms\n")

    files = {"float32": float_file}
    print("| variant | ms | TFLiteConverter, ms | ratio |\n| --- | ---: | ---: | ---: |")
    for name in ("float16", "dynamic_range", "weight_only_int8", "int8", "int16x8"):
        needed = calibration if VARIANTS[name].calibrated else None
        files[name], seconds = fastest(lambda name=name, needed=needed: quantize(float_file, VARIANTS[name], needed))
        convert = converter(model, name, images)
        theirs = fastest(convert, repeats=1)[1] if convert else None
        numbers = f"{1e3 * theirs:.0f} | {theirs / seconds:.0f}" if theirs else "has no such variant |"
        print(f"| {name} | {1e3 * seconds:.0f} | {numbers} |")

    print("\n| scored file | evaluation / invokes, median of 5 |\n| --- | ---: |")
    for name in ("float32", "int8"):
        ratios = []
        for _ in range(_REPEATS):
            predictor = TFLiteModel(files[name])
            result = evaluate(predictor, dataset.test, dataset.normalization, 2)
            ratios.append(result.seconds / predictor.invoke_seconds)
        print(f"| {name} | {np.median(ratios):.2f} |")


def fastest(work: Callable[[], T], repeats: int = _REPEATS) -> tuple[T, float]:
    """The result of `work`, and its least wall seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return result, min(times)


def converter(model, name: str, images: np.ndarray) -> Callable[[], bytes] | None:  # type: ignore[no-untyped-def]
    """What makes the variant with TFLiteConverter; None where it has none."""
    import tensorflow as tf

    if name == "weight_only_int8":
        return None
    function = tf.function(lambda image: model(image, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *images.shape[1:])))

    def convert() -> bytes:
        made = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        if name == "float16":
            made.target_spec.supported_types = [tf.float16]
        if name in ("int8", "int16x8"):
            made.representative_dataset = lambda: ([image[None]] for image in images)
            made.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8
                if name == "int8"
                else tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
        return made.convert()

    return convert


if __name__ == "__main__":
    main()
