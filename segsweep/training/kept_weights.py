"""What a fine-tune keeps to in its weights: zeros that grow in number, zeros that stay, values that stay shared.

The optimization toolkit's wrappers (`prune_low_magnitude`, `cluster_weights`) are not used. They wrap layers, as
quantization-aware training does, and none takes a layer that another has wrapped, unless with a scheme of the toolkit
(see `fake_quantization` for what is wrong there). Pruning needs a callback of `Model.fit`, and chooses what to prune at
every 100th step, which a fine-tune of small data may never come to. And masks and assignments are variables of their
own. Here a rule is applied to the weights after each step of the optimizer, and all it needs to know lies in weights
and in the number of the step: a training that goes on from a checkpoint ends with the same weights, and there is
nothing to strip. The schedule of the sparsity and the first centroids are the toolkit's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.clustering.keras.clustering_centroids import (
    KmeansPlusPlusCentroidsInitialisation,
)
from tensorflow_model_optimization.sparsity.keras import PolynomialDecay

Rule = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""(weights before a step, weights after it, number of the step from 1) -> the weights to go on with."""

KEPT = frozenset({"kernel", "pointwise_kernel"})
"""Variables that are pruned and clustered: those of convolutions and dense layers. Not biases; nor depthwise kernels,
which are few and carry much (so the toolkit has it too)."""

MOST_MASKS = 100
"""How often the weights to prune are chosen anew, at most: sorting all of them may take as long as a step."""

LLOYD_ROUNDS = 100
"""At most."""


@dataclass(frozen=True)
class KeptWeights:
    """What a training keeps to."""

    rules: tuple[tuple[tf.Variable, Rule], ...]
    free_epochs: int = 0
    """The first epochs, whose weights do not keep to it yet: none of them is chosen as the best."""
    holds_at_start: bool = True
    """Whether the weights keep to it before the first step."""


def kept_variables(model: keras.Model) -> list[tf.Variable]:
    """The variables of a model, quantization-aware or not, that rules are for."""
    return [each for each in model.trainable_variables if each.name.rpartition("/")[2].partition(":")[0] in KEPT]


def pruning(model: keras.Model, *, sparsity: float, epochs: int, steps_per_epoch: int) -> KeptWeights:
    """In each kernel, the share `sparsity` of its weights becomes 0, the smallest first.

    The share rises over the first half of the epochs, steeply at first (Zhu and Gupta 2017,
    https://arxiv.org/abs/1710.01878); in the other half what is left learns to do without. What is 0 stays so.
    """
    rising = -(-epochs // 2)
    steps = rising * steps_per_epoch
    schedule = PolynomialDecay(
        initial_sparsity=0.0, final_sparsity=sparsity, begin_step=0, end_step=steps, power=3, frequency=1
    )
    every = -(-steps // MOST_MASKS)

    def rule(before: tf.Tensor, after: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        kept = _where(before != 0, after)
        count = int(np.prod(after.shape))

        def pruned() -> tf.Tensor:
            share = schedule(step)[1]
            left = tf.maximum(tf.cast(tf.round(tf.cast(count, tf.float32) * (1 - share)), tf.int32), 1)
            # By place in the order, not by a threshold: of equal weights no more are kept than others.
            order = tf.math.top_k(tf.reshape(tf.abs(kept), [-1]), k=count).indices
            mask = tf.scatter_nd(order[:, tf.newaxis], tf.range(count) < left, [count])
            return _where(tf.reshape(mask, kept.shape), kept)

        is_due = (step <= steps) & ((step % every == 0) | (step == steps))
        return tf.cond(is_due, pruned, lambda: kept)

    return KeptWeights(tuple((variable, rule) for variable in kept_variables(model)), rising - 1, holds_at_start=False)


def kept_zeros(model: keras.Model) -> KeptWeights:
    """Weights that are 0 stay 0."""

    def rule(before: tf.Tensor, after: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return _where(before != 0, after)

    return KeptWeights(tuple((variable, rule) for variable in kept_variables(model)))


def _where(mask: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The weights that the mask leaves. A product with it would leave zeros of both signs, which compress worse."""
    return tf.where(mask, weights, tf.zeros_like(weights))


def clustering(model: keras.Model, *, clusters: int) -> KeptWeights:
    """Each kernel has at most `clusters` distinct weights, from the start on: `model` is changed."""
    for variable in kept_variables(model):
        variable.assign(clustered(variable.numpy(), clusters))
    return kept_clusters(model)


def kept_clusters(model: keras.Model) -> KeptWeights:
    """Weights of a kernel that are equal now stay equal: what they share moves by the mean of their steps."""
    return KeptWeights(tuple((variable, _sharing(variable.numpy())) for variable in kept_variables(model)))


def _sharing(weights: np.ndarray) -> Rule:
    values, members = np.unique(weights, return_inverse=True)
    # Outside the graph, which refers to it: a constant inside would be written out with it.
    assignment = tf.constant(members.reshape(-1), tf.int32)

    def rule(before: tf.Tensor, after: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        centroids = tf.math.unsorted_segment_mean(tf.reshape(after, [-1]), assignment, len(values))
        return tf.reshape(tf.gather(centroids, assignment), after.shape)

    return rule


def clustered(weights: np.ndarray, clusters: int) -> np.ndarray:
    """The weights with each replaced by its cluster's mean: k-means, from k-means++ centroids on.

    Of the same shape; those with no more distinct values than `clusters` are given back as they are.
    """
    if len(np.unique(weights)) <= clusters:
        return weights
    first = KmeansPlusPlusCentroidsInitialisation(tf.constant(weights), clusters).get_cluster_centroids().numpy()
    # On a line, a cluster is what lies between two borders of the sorted weights.
    ordered = np.sort(weights, axis=None).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centroids = np.unique(first).astype(np.float64)
    for _ in range(LLOYD_ROUNDS):
        borders = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        places = np.concatenate([[0], borders, [len(ordered)]])
        counts = np.diff(places)
        means = np.where(counts > 0, np.diff(sums[places]) / np.maximum(counts, 1), centroids)
        if np.array_equal(means, centroids):
            break
        centroids = means
    nearest = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, weights)
    return centroids.astype(np.float32)[nearest]


@dataclass(frozen=True)
class Budget:
    """What a rule may want to know of the fine-tune."""

    epochs: int
    steps_per_epoch: int
    sparsity: float
    clusters: int


KEPT_BY_KIND: Mapping[str, Callable[[keras.Model, Budget], KeptWeights]] = {
    "pruned": lambda model, budget: pruning(
        model, sparsity=budget.sparsity, epochs=budget.epochs, steps_per_epoch=budget.steps_per_epoch
    ),
    "clustered": lambda model, budget: clustering(model, clusters=budget.clusters),
    "pqat": lambda model, budget: kept_zeros(model),
    "cqat": lambda model, budget: kept_clusters(model),
}
"""By kind of training; the others keep to nothing."""
