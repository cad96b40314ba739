"""The two computations of a training as TensorFlow graphs: a step of the optimizer, and the validation."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    TRAIN_DIVERGENCE,
    TRAIN_LOSS,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    VALIDATION_MEAN_DICE,
    VALIDATION_MEAN_IOU,
)
from segsweep.training.losses import Loss
from segsweep.training.teacher import Teacher, divergence

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
        teacher: Teacher | None = None,
    ) -> None:
        """`xla`: compile the step; each size of batch is compiled anew. `kept`: what the weights keep to. `teacher`:
        whose logits are learned from, beside the labels."""
        # In the graph, so that nothing waits for a number before the epoch ends.
        loss_sum = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        counted = tf.Variable(0, dtype=tf.int64, trainable=False)
        correct = tf.Variable(0, dtype=tf.int64, trainable=False)
        divergence_sum = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        seen_pixels = tf.Variable(0, dtype=tf.int64, trainable=False)
        variables = model.trainable_variables
        optimizer.build(variables)
        is_scaled = isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
        rules = kept.rules if kept else ()

        signature = [*_batch_signature(model), tf.TensorSpec([], tf.float32)]
        if teacher is not None:
            signature += [tf.TensorSpec(model.output_shape, tf.float32), tf.TensorSpec(signature[1].shape, tf.bool)]

        # Plain TensorFlow all through, layers included: rewriting their Python (autograph) only takes time.
        @tf.function(input_signature=signature, jit_compile=xla or None)
        @tf.autograph.experimental.do_not_convert
        def step(images: tf.Tensor, labels: tf.Tensor, learning_rate: tf.Tensor, *taught: tf.Tensor) -> None:
            optimizer.learning_rate.assign(learning_rate)
            with tf.GradientTape() as tape:
                logits = _logits(model, images, training=True)
                value = objective = loss(logits, labels)
                if teacher is not None:
                    expected, seen = taught
                    distance = divergence(expected, logits, seen, teacher.temperature)
                    objective += teacher.weight * distance
                if is_scaled:
                    objective = optimizer.get_scaled_loss(objective)
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
            if teacher is not None:
                batch_seen = tf.math.count_nonzero(seen)
                divergence_sum.assign_add(tf.cast(distance, tf.float64) * tf.cast(batch_seen, tf.float64))
                seen_pixels.assign_add(batch_seen)

        self._loss_sum, self._counted, self._correct = loss_sum, counted, correct
        self.average: WeightAverage | None = None
        """What is averaged after each step."""
        self._divergence_sum, self._seen = divergence_sum, seen_pixels
        # Traced at once: called as a tf.function, the step of each further job would warn of retracing in a loop.
        start = time.perf_counter()
        with compilable(model) if xla else nullcontext():
            self._step = step.get_concrete_function()
        if xla:
            self._step = naming_what_does_not_compile(self._step, model)
        # A graph of its own: XLA has to compile nothing of the teacher, and its mode and precision are its own.
        self._teach = _logits_graph(teacher, model) if teacher is not None else None
        self.seconds = time.perf_counter() - start
        """Wall time of tracing and of all steps so far; on a GPU, where steps run on by themselves, of their start."""

    @property
    def is_taught(self) -> bool:
        """Whether there is a teacher, so that steps need to know which pixels are seen."""
        return self._teach is not None

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, learning_rate: float, seen: np.ndarray | None = None
    ) -> None:
        """One step on images (B, H, W, C), normalized, and labels (B, H, W).

        Where there is a teacher, it is learned from on the pixels `seen`, (B, H, W) bool.
        """
        start = time.perf_counter()
        batch = tf.constant(images)
        taught = () if self._teach is None else (self._teach(batch), tf.constant(seen))
        self._step(batch, tf.constant(labels), tf.constant(learning_rate), *taught)
        if self.average is not None:
            self.average.update()
        self.seconds += time.perf_counter() - start

    def metrics(self) -> dict[str, float]:
        """Loss and accuracy since the last call, and the divergence from a teacher.

        They are means over batches, weighted by their pixels that count.

        Raises DataError where no pixel counted.
        """
        counted = int(self._counted)
        if counted == 0:
            raise DataError("the training split has no pixel that counts: all its labels are ignored")
        found = {TRAIN_LOSS: float(self._loss_sum) / counted, TRAIN_ACCURACY: int(self._correct) / counted}
        if self._teach is not None:
            found[TRAIN_DIVERGENCE] = float(self._divergence_sum) / max(1, int(self._seen))
        for total in (self._loss_sum, self._counted, self._correct, self._divergence_sum, self._seen):
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


def _logits_graph(teacher: Teacher, model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The teacher's logits of a batch of images for `model`, as a graph."""
    logits = tf.function(teacher.logits, input_signature=_batch_signature(model)[:1], autograph=False)
    return logits.get_concrete_function()


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
