"""The way it is done by hand: train, convert with TFLiteConverter, evaluate image by image, for each combination anew.

The baseline of benchmarks/quickstart.py: the same data, network, epochs and variants as experiment=quickstart, with
Keras' own `fit`, all cores, and no sharing between combinations.

    python benchmarks/plain_script.py [--widths 8 16] [--rates 0.003 0.01] [--variants int8 ...]
"""

import argparse
import itertools
import json
import time

import numpy as np

VARIANTS = ["float32", "float16", "dynamic_range", "weight_only_int8", "int8", "int16x8", "qat_int8"]


def main() -> None:
    """Run all combinations and print seconds and accuracies as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.003, 0.01])
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    options = parser.parse_args()

    started = time.perf_counter()
    rows = []
    for width, rate, variant in itertools.product(options.widths, options.rates, options.variants):
        began = time.perf_counter()
        accuracy = one_combination(width, rate, variant)
        rows.append(
            {
                "width": width,
                "learning_rate": rate,
                "variant": variant,
                "accuracy": accuracy,
                "seconds": time.perf_counter() - began,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"combinations": len(rows), "seconds": time.perf_counter() - started}), flush=True)


def one_combination(width: int, rate: float, variant: str) -> float:
    """Train, convert and evaluate; return the accuracy of the file on the test split."""
    import os

    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf
    import tf_keras as keras
    from ai_edge_litert.interpreter import Interpreter

    from segsweep.config.data_schema import SyntheticParcelsConfig
    from segsweep.config.schema import QuantizationConfig, StridedUnetConfig
    from segsweep.config.training_schema import TrainingConfig
    from segsweep.data.sources import load_dataset
    from segsweep.models.table import build_model
    from segsweep.training.optimizer_steps import optimizer_steps

    dataset = load_dataset(SyntheticParcelsConfig())
    settings, finetune = optimizer_steps(TrainingConfig(), len(dataset.train)), QuantizationConfig()

    def arrays(split) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
        images, labels = split.read(np.arange(len(split)))
        return dataset.normalization.apply(images), labels

    train, validation, test = (arrays(split) for split in (dataset.train, dataset.validation, dataset.test))
    batch = settings.batch_size
    augmented = (
        tf.data.Dataset.from_tensor_slices((train[0], train[1][..., None].astype(np.int32)))
        .shuffle(len(train[0]))
        .map(_flip_and_turn)
        .batch(batch)
        .prefetch(2)
    )

    def fit(model: "keras.Model", learning_rate: float, epochs: int) -> None:
        steps = epochs * -(-len(train[0]) // batch)
        model.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(augmented, epochs=epochs, validation_data=(validation[0], validation[1]), verbose=0)

    keras.backend.clear_session()
    model = build_model(StridedUnetConfig(width=width), dataset.train.image_shape, len(dataset.classes), seed=0)
    fit(model, rate, settings.epochs)
    if variant == "qat_int8":
        import tensorflow_model_optimization as tfmot

        model = tfmot.quantization.keras.quantize_model(model)
        fit(model, rate / 10, finetune.epochs)

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant in ("int8", "int16x8"):
        converter.representative_dataset = lambda: ([image[None]] for image in train[0][:64])
    if variant == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if variant == "int16x8":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    right = 0
    for image, labels in zip(*test, strict=True):
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        right += int((interpreter.get_tensor(target["index"])[0].argmax(-1) == labels).sum())
    return right / test[1].size


def _flip_and_turn(image, label):  # type: ignore[no-untyped-def]
    import tensorflow as tf

    turns = tf.random.uniform([], 0, 4, tf.int32)
    image, label = tf.image.rot90(image, turns), tf.image.rot90(label, turns)
    if tf.random.uniform([]) < 0.5:
        image, label = tf.image.flip_left_right(image), tf.image.flip_left_right(label)
    return image, label


if __name__ == "__main__":
    main()
