"""The two computations of a training as TensorFlow graphs: a step of the optimizer, and the validation."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras as keras

from segsweep.data.batches import Batch, evaluation_batches
from segsweep.data.dataset import IGNORE, Normalization, Split
from segsweep.errors import DataError
from segsweep.evaluation.confusion import scores
from segsweep.tracking import names
from segsweep.training.compilable import compilable, naming_what_does_not_compile
from segsweep.training.history import (
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    VALIDATION_MEAN_DICE,
    VALIDATION_MEAN_IOU,
)
from segsweep.training.losses import Loss

if TYPE_CHECKING:
    from segsweep.training.kept_weights import KeptWeights
    from segsweep.training.weight_averaging import WeightAverage

CACHE_BYTES = 256 * 2**20
"""Validation images up to this size are kept in memory, normalized, over all epochs."""

MOST_CLASSES_BY_EPOCH = 32
"""Up to so many classes, the IoU of each is among the metrics of an epoch."""


class TrainStep:
    """Steps of the optimizer, and the loss and accuracy they met since they were last asked for."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss: Loss,
        *,
        xla: bool = False,
        kept: "KeptWeights | None" = None,
    ) -> None:
        """`xla`: compile the step; each size of batch is compiled anew. `kept`: what the weights keep to."""
        # In the graph, so that nothing waits for a number before the epoch ends.
        loss_sum = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        counted = tf.Variable(0, dtype=tf.int64, trainable=False)
        correct = tf.Variable(0, dtype=tf.int64, trainable=False)
        variables = model.trainable_variables
        optimizer.build(variables)
        is_scaled = isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
        rules = kept.rules if kept else ()

        # Plain TensorFlow all through, layers included: rewriting their Python (autograph) only takes time.
        @tf.function(input_signature=[*_batch_signature(model), tf.TensorSpec([], tf.float32)], jit_compile=xla or None)
        @tf.autograph.experimental.do_not_convert
        def step(images: tf.Tensor, labels: tf.Tensor, learning_rate: tf.Tensor) -> None:
            optimizer.learning_rate.assign(learning_rate)
            with tf.GradientTape() as tape:
                logits = _logits(model, images, training=True)
                value = loss(logits, labels)
                objective = optimizer.get_scaled_loss(value) if is_scaled else value
            gradients = tape.gradient(objective, variables)
            if is_scaled:
                gradients = optimizer.get_unscaled_gradients(gradients)
            before = [tf.identity(variable) for variable, _ in rules]
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            for (variable, rule), old in zip(rules, before, strict=True):
                variable.assign(rule(old, variable.value(), optimizer.iterations))
            batch_counted, batch_correct = _accuracy_counts(logits, labels)
            loss_sum.assign_add(tf.cast(value, tf.float64) * tf.cast(batch_counted, tf.float64))
            counted.assign_add(batch_counted)
            correct.assign_add(batch_correct)

        self._loss_sum, self._counted, self._correct = loss_sum, counted, correct
        self.average: WeightAverage | None = None
        """What is averaged after each step."""
        # Traced at once: called as a tf.function, the step of each further job would warn of retracing in a loop.
        start = time.perf_counter()
        with compilable(model) if xla else nullcontext():
            self._step = step.get_concrete_function()
        if xla:
            self._step = naming_what_does_not_compile(self._step, model)
        self.seconds = time.perf_counter() - start
        """Wall time of tracing and of all steps so far; on a GPU, where steps run on by themselves, of their start."""

    def __call__(self, images: np.ndarray, labels: np.ndarray, learning_rate: float) -> None:
        """One step on images (B, H, W, C), normalized, and labels (B, H, W)."""
        start = time.perf_counter()
        self._step(tf.constant(images), tf.constant(labels), tf.constant(learning_rate))
        if self.average is not None:
            self.average.update()
        self.seconds += time.perf_counter() - start

    def metrics(self) -> dict[str, float]:
        """Loss and accuracy since the last call: means over batches, weighted by their pixels that count.

        Raises DataError where no pixel counted.
        """
        counted = int(self._counted)
        if counted == 0:
            raise DataError("the training split has no pixel that counts: all its labels are ignored")
        found = {TRAIN_LOSS: float(self._loss_sum) / counted, TRAIN_ACCURACY: int(self._correct) / counted}
        for total in (self._loss_sum, self._counted, self._correct):
            total.assign(tf.zeros_like(total))
        return found


class Validation:
    """Scores of a model on the validation split, as often as its weights change."""

    def __init__(
        self,
        model: keras.Model,
        loss: Loss,
        split: Split,
        normalization: Normalization,
        *,
        class_names: Sequence[str],
        size: tuple[int, int],
        batch_size: int,
        watched: Sequence[int] = (),
    ) -> None:
        """`watched` are the indices of images whose predictions are kept."""
        self._split, self._normalization, self._size, self._batch_size = split, normalization, size, batch_size
        self._watched: dict[int, list[int]] = {}
        for index in sorted(watched):
            self._watched.setdefault(index // batch_size, []).append(index % batch_size)
        self.predictions: list[np.ndarray] = []
        """Class ids (H, W) uint8 of the watched images, in order, as they were scored last."""
        height, width = size
        fits = len(split) * height * width * (4 * split.image_shape[2] + 1) <= CACHE_BYTES
        self._cached = [(tf.constant(images), tf.constant(labels)) for images, labels in self._read()] if fits else None
        classes = model.output_shape[-1]
        by_class = classes <= MOST_CLASSES_BY_EPOCH
        self._by_class = names.class_metrics(names.VALIDATION_IOU, class_names) if by_class else []

        @tf.function(input_signature=_batch_signature(model))
        @tf.autograph.experimental.do_not_convert
        def score(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            logits = _logits(model, images, training=False)
            predicted = tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)
            return loss(logits, labels), _confusion(logits, labels, classes), predicted

        start = time.perf_counter()
        self._score = score.get_concrete_function()
        self.seconds = time.perf_counter() - start
        """Wall time of tracing and of all validations so far."""

    def _read(self) -> Iterator[Batch]:
        return evaluation_batches(self._split, self._normalization, size=self._size, batch_size=self._batch_size)

    def __call__(self) -> dict[str, float]:
        """The validation metrics. The loss is the mean over batches, weighted by their pixels that count.

        Raises DataError where no pixel counts.
        """
        start = time.perf_counter()
        batches: Iterable = self._read() if self._cached is None else self._cached
        results, self.predictions = [], []
        for number, batch in enumerate(batches):
            loss, counts, predicted = self._score(*batch)
            results.append((float(loss), counts.numpy()))
            self.predictions += [predicted[place].numpy() for place in self._watched.get(number, ())]
        self.seconds += time.perf_counter() - start
        pixels = [counts.sum() for _, counts in results]
        if not any(pixels):
            raise DataError("the validation split has no pixel that counts: all its labels are ignored")
        found = scores(np.stack([counts for _, counts in results]))
        return {
            VALIDATION_LOSS: float(np.average([loss for loss, _ in results], weights=pixels)),
            VALIDATION_ACCURACY: found.accuracy,
            VALIDATION_MEAN_IOU: found.mean_iou,
            VALIDATION_MEAN_DICE: found.mean_dice,
            **{name: float(iou) for name, iou in zip(self._by_class, found.iou) if not np.isnan(iou)},
        }


def _logits(model: keras.Model, images: tf.Tensor, *, training: bool) -> tf.Tensor:
    """In float32, also those of a model that computes in float16."""
    return tf.cast(model(images, training=training), tf.float32)


def _batch_signature(model: keras.Model) -> list[tf.TensorSpec]:
    # Any number of images: a smaller last batch is not traced anew.
    return [
        tf.TensorSpec((None, *model.input_shape[1:]), tf.float32),
        tf.TensorSpec((None, *model.output_shape[1:3]), tf.uint8),
    ]


def _accuracy_counts(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """How many pixels count, and how many of them are classified correctly."""
    # `IGNORE` equals no class, so that ignored pixels are never correct.
    correct = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.cast(labels, tf.int32))
    return tf.math.count_nonzero(tf.not_equal(labels, IGNORE)), tf.math.count_nonzero(correct)


def _confusion(logits: tf.Tensor, labels: tf.Tensor, classes: int) -> tf.Tensor:
    """Pixels that count, (classes, classes) int64, by truth and prediction."""
    counted = tf.not_equal(labels, IGNORE)
    predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
    # Pixels that are ignored fall into one more bin, which is cut off.
    bins = tf.where(counted, tf.cast(labels, tf.int32) * classes + predicted, classes * classes)
    counts = tf.math.bincount(tf.reshape(bins, [-1]), minlength=classes**2 + 1, maxlength=classes**2 + 1)
    return tf.cast(tf.reshape(counts[:-1], (classes, classes)), tf.int64)
