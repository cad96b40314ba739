"""Whether a wide network teaches narrow ones anything: taught and untaught trainings of the quickstart's data, by seed.

python benchmarks/distillation.py [--seeds 1,2,3] [--widths 4,8] [--teacher 24] [--weights 1] [--temperatures 2]
                                  [--split test|validation] [--epochs 30]

For each seed, of network and data alike, the teacher is trained once, and each narrow network without it and with each
weight and temperature; order and augmentation of the images are the same. Scored are the exported float32 and int8
files, int8 with averaged ranges. The table has the means over the seeds and Student's t interval of the paired
differences. Choose settings by `--split validation`, with other seeds than those that the test split is scored with.
"""

import argparse
import itertools
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import tf_keras as keras
from scipy.stats import t

from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.config.schema import LossConfig, StridedUnetConfig
from segsweep.config.training_schema import AugmentationConfig, TrainingConfig
from segsweep.data.batches import evaluation_batches
from segsweep.data.dataset import ArraySplit, Dataset
from segsweep.data.synthetic_parcels import load
from segsweep.evaluation.evaluator import evaluate
from segsweep.models.table import build_model
from segsweep.quantization.automatic_ranges import calibrate_by
from segsweep.quantization.post_training import quantize
from segsweep.quantization.range_rules import RangeChoice
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.conversion import convert_float
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.training.runtime import configure
from segsweep.training.teacher import Teacher
from segsweep.training.trainer import fit

FILES = ("float32", "int8")
_CALIBRATION_IMAGES = 64


def main() -> None:
    """Train, score, and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    numbers: dict[str, Callable[[str], object]] = {
        "seeds": int, "widths": int, "weights": float, "temperatures": float
    }  # fmt: skip
    defaults = {"seeds": "1,2,3", "widths": "4,8", "weights": "1", "temperatures": "2"}
    for name, number in numbers.items():
        parser.add_argument(
            f"--{name}", type=lambda text, number=number: [*map(number, text.split(","))], default=defaults[name]
        )
    parser.add_argument("--teacher", type=int, default=24, help="its width")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    options = parser.parse_args()
    configure(1)
    kinds = [(0.0, 0.0), *itertools.product(options.weights, options.temperatures)]
    scores: dict[tuple[int, tuple[float, float], str], list[float]] = {}
    for seed in options.seeds:
        data = load(SyntheticParcelsConfig(seed=seed))
        teacher = trained(data, options.teacher, seed, options.epochs, None)
        found = scored(teacher, data, options.split)
        print(f"seed {seed}: teacher {options.teacher} " + " ".join(f"{found[name]:.4f}" for name in FILES), flush=True)
        for width in options.widths:
            for kind in kinds:
                weight, temperature = kind
                by = Teacher(teacher, weight, temperature) if weight else None
                found = scored(trained(data, width, seed, options.epochs, by), data, options.split)
                for name in FILES:
                    scores.setdefault((width, kind, name), []).append(found[name])
                print(
                    f"seed {seed}: width {width}, weight {weight:g}, temperature {temperature:g}: {found}", flush=True
                )
    print(f"\n| width | weight | temperature | file | mean IoU ({options.split}) | points against untaught | by seed |")
    print("| ---: | ---: | ---: | --- | ---: | --- | --- |")
    for (width, kind, name), found_scores in scores.items():
        against = " | " if kind == kinds[0] else difference(found_scores, scores[width, kinds[0], name])
        print(f"| {width} | {kind[0]:g} | {kind[1]:g} | {name} | {statistics.mean(found_scores):.4f} | {against} |")


def trained(data: Dataset, width: int, seed: int, epochs: int, teacher: Teacher | None) -> keras.Model:
    """The quickstart's network of a width, at its rate of 0.01."""
    size = data.train.image_shape[:2]
    model = build_model(StridedUnetConfig(width=width), data.train.image_shape, len(data.classes), seed)
    settings = TrainingConfig(
        batch_size=16, epochs=epochs, learning_rate=0.01, augmentation=AugmentationConfig(flips=True, turns=True)
    )
    fit(model, data, training=settings, loss=LossConfig(), size=size, seed=seed, teacher=teacher)
    return model


def scored(model: keras.Model, data: Dataset, split: str) -> dict[str, float]:
    """Mean IoU of the float32 and the int8 file."""
    float_file = convert_float(model)
    size = data.train.image_shape[:2]
    chosen = np.random.default_rng(0).permutation(len(data.train))[:_CALIBRATION_IMAGES]
    some = ArraySplit(*data.train.read(np.sort(chosen)))
    batches = evaluation_batches(some, data.normalization, size=size, batch_size=_CALIBRATION_IMAGES)
    images = np.concatenate([each for each, _ in batches])
    calibration = calibrate_by(float_file, images, RangeChoice.of("average"), 100.0)
    files = {"float32": float_file, "int8": quantize(float_file, VARIANTS["int8"], calibration)}
    return {
        name: float(evaluate(TFLiteModel(content), getattr(data, split), data.normalization, len(data.classes))
                    .scores.mean_iou)
        for name, content in files.items()
    }  # fmt: skip


def difference(taught: Sequence[float], untaught: Sequence[float]) -> str:
    """Mean paired difference in points with its 95 % interval, and that of each seed."""
    points = 100 * (np.array(taught) - np.array(untaught))
    half = t.ppf(0.975, len(points) - 1) * points.std(ddof=1) / np.sqrt(len(points)) if len(points) > 1 else np.nan
    return f"{points.mean():+.2f} ± {half:.2f} | {', '.join(f'{each:+.2f}' for each in points)}"


if __name__ == "__main__":
    main()
