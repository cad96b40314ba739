"""Times candidates of a float file, beside one TFLiteConverter run for each; and the sensitivity of 20 layers.

The network of the quickstart's width 16, with random weights: what is timed does not depend on them.

    python benchmarks/candidates.py
"""

import os
import random
import time

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

_CANDIDATES = 60
_CONVERTED = 3
_LAYERS = 20


def main() -> None:
    """Print two Markdown tables."""
    from segsweep.candidates.trial import Candidate
    from segsweep.candidates.trying import Trying
    from segsweep.processes import default_workers
    from segsweep.quantization.layers import layers
    from segsweep.quantization.mixed import possible_choices
    from segsweep.quantization.recipe import Recipe

    model, problem = prepared(width=16, depth=3, images=24)
    found = layers(problem.float_model)
    rng = random.Random(0)
    choices = {
        layer.name: [each for each in possible_choices(layer, ("min_max",)) if "16x" not in each.choice]
        for layer in found
    }
    candidates = [
        Candidate(Recipe({name: rng.choice(possible) for name, possible in choices.items()}))
        for _ in range(_CANDIDATES)
    ]
    images = len(problem.images)
    print(f"{len(found)} layers, {images} validation images\n")
    print("| what | seconds a candidate | candidates a minute | ratio |\n| --- | ---: | ---: | ---: |")
    theirs = converted(model, problem)
    print(f"| TFLiteConverter and one interpreter, one process | {theirs:.2f} | {60 / theirs:.0f} | |")
    for workers in sorted({1, default_workers()}):
        with Trying(problem, workers=workers) as trying:
            trying.trials([Candidate()] * workers, 1)
            started = time.perf_counter()
            trials = trying.trials(candidates, images)
            seconds = (time.perf_counter() - started) / _CANDIDATES
        assert all(trial is not None and trial.failure is None for trial in trials)
        print(f"| segsweep, {workers} processes | {seconds:.3f} | {60 / seconds:.0f} | {theirs / seconds:.0f} |")

    _, problem = prepared(width=8, depth=6, images=64)
    print("\n| sensitivity to int8 | layers | images | candidates | seconds |\n| --- | ---: | ---: | ---: | ---: |")
    for words, screening, top in (("screening on 16, the first 8 on all", 16, 8), ("all on all", 64, 0)):
        print(sensitivity_row(problem, words, screening, top))


def prepared(width: int, depth: int, images: int):
    """A Keras model, and the problem of its float file on so many validation images."""
    from segsweep.candidates.problem import problem_of
    from segsweep.config.data_schema import SyntheticParcelsConfig
    from segsweep.config.schema import StridedUnetConfig
    from segsweep.data.sources import load_dataset
    from segsweep.models.table import build_model
    from segsweep.quantization.post_training import calibrate
    from segsweep.tflite.conversion import convert_float

    dataset = load_dataset(SyntheticParcelsConfig(validation_images=images))
    model = build_model(StridedUnetConfig(width=width, depth=depth), dataset.train.image_shape, 2, seed=0)
    float_file = convert_float(model)
    training = dataset.normalization.apply(dataset.train.read(np.arange(64))[0])
    return model, problem_of(float_file, calibrate(float_file, training), dataset, dataset.normalization, None)


def converted(model, problem) -> float:
    """Seconds to make an int8 file with TFLiteConverter, calibrated on 64 images, and to score it; the mean of some."""
    import tensorflow as tf

    from segsweep.candidates.trial import counted

    training = problem.images[np.arange(64) % len(problem.images)]
    started = time.perf_counter()
    for _ in range(_CONVERTED):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in training)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        counted(converter.convert(), problem, len(problem.images))
    return (time.perf_counter() - started) / _CONVERTED


def sensitivity_row(problem, words: str, screening: int, top: int) -> str:
    """A row of the second table."""
    from segsweep.candidates.sensitivity import measure
    from segsweep.candidates.trying import Trying

    started = time.perf_counter()
    with Trying(problem) as trying:
        found = measure(trying, "int8", screening=screening, top=top)
        made = trying.made
    seconds = time.perf_counter() - started
    assert len(found.layers) == _LAYERS
    return f"| {words} | {len(found.layers)} | {len(problem.images)} | {made} | {seconds:.1f} |"


if __name__ == "__main__":
    main()
