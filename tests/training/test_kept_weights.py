"""Pruning and clustering against what is computed by hand, with NumPy and with scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from sklearn.cluster import KMeans
from test_trainer import assert_same_weights, tiny_model, train, without_times
from tf_keras import layers
from tiny_training import TRAINING, dataset

from segsweep.config.training_schema import EarlyStoppingConfig
from segsweep.quantization.activation_ranges import start_ranges
from segsweep.quantization.batch_norm_folding import fold_batch_norm
from segsweep.quantization.quantization_aware import quantization_aware
from segsweep.quantization.range_rules import RangeChoice
from segsweep.training.kept_weights import clustered, clustering, kept_clusters, kept_variables, kept_zeros, pruning
from segsweep.training.optimizers import OPTIMIZERS

STEPS = -(-len(dataset().train) // TRAINING.batch_size)


def dense(weights: np.ndarray) -> keras.Model:
    """A model with one kernel, whose weights they are."""
    model = keras.Sequential([keras.Input(weights.shape[:1]), layers.Dense(weights.shape[1], use_bias=False)])
    model.set_weights([weights])
    return model


def stepped(kept, before: np.ndarray, after: np.ndarray, step: int) -> np.ndarray:
    """What the only rule makes of weights."""
    ((_, rule),) = kept.rules
    return rule(tf.constant(before), tf.constant(after), tf.constant(step, tf.int64)).numpy()


def kernels(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in kept_variables(model)]


class TestWhichWeights:
    def model(self) -> keras.Model:
        inputs = keras.Input((8, 8, 4))
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(inputs))
        x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
        x = layers.SeparableConv2D(4, 3, padding="same", name="separable")(x)
        x = layers.Conv2DTranspose(4, 2, strides=2, name="transposed")(x)
        return keras.Model(inputs, layers.Dense(3, name="dense")(x))

    def test_kernels_but_for_depthwise_ones(self):
        found = [variable.name for variable in kept_variables(self.model())]
        assert found == [
            "conv/kernel:0", "separable/pointwise_kernel:0", "transposed/kernel:0", "dense/kernel:0"
        ]  # fmt: skip

    def test_the_same_of_a_quantization_aware_model(self):
        plain, aware = kernels(fold_batch_norm(self.model())), kernels(quantization_aware(self.model()))
        assert [kernel.shape for kernel in aware] == [kernel.shape for kernel in plain]


class TestPruning:
    WEIGHTS = np.random.default_rng(0).normal(size=(25, 40)).astype(np.float32)

    def test_the_smallest_become_zero_as_the_schedule_says(self):
        """Zhu and Gupta (2017), equation 1: s_f (1 - (1 - t / T)^3), here with T = 3 epochs of 4 steps."""
        kept = pruning(dense(self.WEIGHTS), sparsity=0.8, epochs=6, steps_per_epoch=4)
        for step in range(1, 13):
            found = stepped(kept, self.WEIGHTS, self.WEIGHTS, step)
            count = 1000 - round(1000 * (1 - 0.8 * (1 - (1 - step / 12) ** 3)))
            smallest = np.argsort(np.abs(self.WEIGHTS), axis=None)[:count]
            expected = self.WEIGHTS.copy()
            expected.flat[smallest] = 0
            np.testing.assert_array_equal(found, expected)
        assert count == 800

    def test_what_is_zero_stays_zero_and_nothing_more_is_pruned_in_the_second_half(self):
        before = np.where(np.abs(self.WEIGHTS) < 0.7, 0, self.WEIGHTS).astype(np.float32)
        kept = pruning(dense(self.WEIGHTS), sparsity=0.8, epochs=6, steps_per_epoch=4)
        found = stepped(kept, before, self.WEIGHTS + 1, 13)
        np.testing.assert_array_equal(found, np.where(before != 0, self.WEIGHTS + 1, 0))

    def test_zeros_have_one_sign(self):
        """A file of them compresses better."""
        for kept in (
            pruning(dense(self.WEIGHTS), sparsity=0.8, epochs=2, steps_per_epoch=4),
            kept_zeros(dense(self.WEIGHTS)),
        ):
            before = np.where(np.abs(self.WEIGHTS) < 0.7, 0, self.WEIGHTS).astype(np.float32)
            found = stepped(kept, before, -np.abs(self.WEIGHTS), 4)
            assert not np.signbit(found[found == 0]).any()

    def test_of_equal_weights_no_more_are_kept_than_others(self):
        equal = np.ones((10, 10), np.float32)
        kept = pruning(dense(equal), sparsity=0.25, epochs=1, steps_per_epoch=2)
        assert np.count_nonzero(stepped(kept, equal, equal, 2)) == 75

    def test_one_weight_is_left_of_the_smallest_layer(self):
        few = np.array([[0.1, 0.3]], np.float32)
        kept = pruning(dense(few), sparsity=0.9, epochs=1, steps_per_epoch=2)
        np.testing.assert_array_equal(stepped(kept, few, few, 2), [[0, np.float32(0.3)]])

    def test_of_many_steps_some_choose_and_the_last_one_does(self):
        kept = pruning(dense(self.WEIGHTS), sparsity=0.5, epochs=2, steps_per_epoch=1050)
        zeros = {step: np.sum(stepped(kept, self.WEIGHTS, self.WEIGHTS, step) == 0) for step in (10, 11, 1050)}
        assert zeros[10] == 0 < zeros[11] < zeros[1050] == 500


class TestClustering:
    WEIGHTS = np.random.default_rng(1).normal(size=(3, 3, 16, 24)).astype(np.float32)

    def test_it_is_k_means(self):
        """Each weight is at the centroid nearest to it, each centroid the mean of its weights; about as good as another
        implementation from its best of ten starts."""
        found = clustered(self.WEIGHTS, 16)
        centroids, members = np.unique(found, return_inverse=True)
        assert len(centroids) == 16
        members, flat = members.ravel(), self.WEIGHTS.ravel()
        np.testing.assert_array_equal(np.abs(flat[:, np.newaxis] - centroids).argmin(axis=1), members)
        means = np.bincount(members, flat) / np.bincount(members)
        np.testing.assert_allclose(centroids, means, rtol=1e-5, atol=1e-6)
        other = KMeans(16, n_init=10, random_state=0).fit(flat[:, np.newaxis]).inertia_
        assert np.sum((found - self.WEIGHTS) ** 2) < 1.25 * other

    def test_again_it_is_the_same(self):
        np.testing.assert_array_equal(clustered(self.WEIGHTS, 5), clustered(self.WEIGHTS, 5))

    def test_few_distinct_weights_are_left_alone(self):
        few = np.array([0.1, 0.2, 0.2, -3], np.float32)
        np.testing.assert_array_equal(clustered(few, 3), few)

    def test_equal_weights_move_together_by_the_mean_of_their_steps(self):
        before = np.array([[1, 2, 1], [2, 2, 5]], np.float32)
        after = np.array([[1.5, 2, 0.9], [2.3, 2.6, 4]], np.float32)
        found = stepped(kept_clusters(dense(before)), before, after, 1)
        np.testing.assert_allclose(found, [[1.2, 2.3, 1.2], [2.3, 2.3, 4]], rtol=1e-6)

    def test_clusters_that_meet_stay_two(self):
        """As they would if the training had not been interrupted between."""
        kept = kept_clusters(dense(np.array([[1, 2]], np.float32)))
        same = np.array([[3, 3]], np.float32)
        np.testing.assert_array_equal(stepped(kept, same, np.array([[4, 5]], np.float32), 9), [[4, 5]])


def started(name: str) -> tuple[keras.Model, object]:
    """A tiny model and what it keeps to, as a fine-tune of that kind starts."""
    model = fold_batch_norm(tiny_model())
    if name == "pruned":
        return model, pruning(model, sparsity=0.6, epochs=TRAINING.epochs, steps_per_epoch=STEPS)
    if name == "clustered":
        return model, clustering(model, clusters=4)
    clustering(model, clusters=4)
    if name == "cqat":
        aware = with_ranges(quantization_aware(model, "by tensor"))
        return aware, kept_clusters(aware)
    for variable in kept_variables(model):
        variable.assign(tf.where(tf.abs(variable) > 0.1, variable, 0))
    aware = with_ranges(quantization_aware(model))
    return aware, kept_zeros(aware)


def with_ranges(aware: keras.Model) -> keras.Model:
    images = np.random.default_rng(0).normal(size=(4, *aware.input_shape[1:])).astype(np.float32)
    start_ranges(aware, images, RangeChoice.of("min_max"), 99.99)
    return aware


class TestFit:
    @pytest.mark.parametrize("name", ["pruned", "clustered", "pqat", "cqat"])
    def test_ends_with_weights_that_keep_to_it_and_goes_on_after_an_interruption(self, name, tmp_path):
        first, kept = started(name)
        model, result = train(first, kept=kept)
        kinds = {
            "pruned": lambda kernel: np.sum(kernel == 0) == kernel.size - round(0.4 * kernel.size),
            "clustered": lambda kernel: len(np.unique(kernel)) <= 4,
            "cqat": lambda kernel: len(np.unique(kernel)) <= 4,
        }
        before = kernels(started(name)[0])
        for kernel, start in zip(kernels(model), before, strict=True):
            holds = kinds.get(name, lambda kernel, start=start: np.array_equal(kernel == 0, start == 0))
            assert holds(kernel)
            assert not np.array_equal(kernel, start)

        # A process that goes on starts from the same weights, and finds the rest in the checkpoint.
        path, whole = tmp_path / "state.npz", without_times(result.history)
        again, kept = started(name)
        with pytest.raises(KeyboardInterrupt):
            train(again, kept=kept, checkpoint=path, training_key="key", on_epoch=interrupt_after(3))
        again, kept = started(name)
        resumed, result = train(again, kept=kept, checkpoint=path, training_key="key")
        assert result.resumed_from == 3
        assert without_times(result.history) == whole
        assert_same_weights(resumed, model)

    @pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
    def test_with_every_optimizer(self, optimizer):
        model, kept = started("pruned")
        settings = replace(TRAINING, optimizer=optimizer, weight_decay=0.01)
        model, _ = train(model, kept=kept, training=settings)
        for kernel in kernels(model):
            assert np.sum(kernel == 0) == kernel.size - round(0.4 * kernel.size)

    def test_no_epoch_is_chosen_before_the_sparsity_is_reached(self):
        """Without learning, the first epoch is the best: each prunes more."""
        settings = replace(TRAINING, learning_rate=1e-12, early_stopping=EarlyStoppingConfig("val/loss", patience=1))
        model, kept = started("pruned")
        _, result = train(model, kept=kept, training=settings)
        losses = [report.metrics["val/loss"] for report in result.history]
        assert np.argmin(losses) == 0, "pruning without learning makes it worse"
        assert kept.free_epochs == 1
        assert result.best_epoch == 2
        assert len(losses) == 3, "patience counts from the first epoch that may be chosen"

    def test_a_start_that_is_not_pruned_does_not_count(self):
        """With two epochs, the sparsity is reached in the first: none is left out, but for the start."""
        settings = replace(TRAINING, epochs=2, learning_rate=1e-12)
        model = tiny_model()
        kept = pruning(model, sparsity=0.6, epochs=2, steps_per_epoch=STEPS)
        assert kept.free_epochs == 0
        model, result = train(model, kept=kept, training=settings, start_counts=True)
        assert result.start is None
        assert result.best_epoch > 0
        for kernel in kernels(model):
            assert np.sum(kernel == 0) == kernel.size - round(0.4 * kernel.size)

    def test_float_training_is_as_it_was(self):
        (one, _), (two, _) = train(), train(kept=None)
        assert_same_weights(one, two)


def interrupt_after(epoch: int):
    def on_epoch(report):
        if report.epoch == epoch:
            raise KeyboardInterrupt

    return on_epoch
