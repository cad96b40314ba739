"""Which images stand for a split, as calibration needs them: at random, by class, or far apart."""

from collections.abc import Callable, Mapping

import numpy as np

from segsweep.data.dataset import IGNORE, Split, survey_of


def at_random(split: Split, count: int, seed: int) -> np.ndarray:
    """`count` indices, drawn without replacement, ascending."""
    return np.sort(np.random.default_rng(seed).permutation(len(split))[:count])


def by_class(split: Split, count: int, seed: int) -> np.ndarray:
    """The classes in turn, the rarest first: each time an image that holds the class, at random among those left."""
    holds = survey_of(split).counts[:, :IGNORE] > 0
    rarest_first = [each for each in np.argsort(holds.sum(axis=0), kind="stable") if holds[:, each].any()]
    order = np.random.default_rng(seed).permutation(len(split))
    left = np.ones(len(split), bool)
    chosen: list[int] = []
    while len(chosen) < count:
        before = len(chosen)
        for each in rarest_first:
            candidates = order[(left & holds[:, each])[order]]
            if len(candidates) and len(chosen) < count:
                chosen.append(int(candidates[0]))
                left[candidates[0]] = False
        if len(chosen) == before:
            # What is left holds no class at all.
            chosen += [int(index) for index in order[left[order]][: count - before]]
    return np.sort(np.array(chosen))


def far_apart(split: Split, count: int, seed: int) -> np.ndarray:
    """Each image the farthest from those before, by mean and deviation of its bands; the first one at random.

    Gonzalez 1985, Clustering to Minimize the Maximum Intercluster Distance.
    """
    survey = survey_of(split)
    # A band without a valid value counts as one that is as all images together.
    means, deviations = survey.moments()
    mean = np.where(survey.valid > 0, survey.mean, means)
    deviation = np.where(survey.valid > 0, np.sqrt(survey.squares / np.maximum(survey.valid, 1)), deviations)
    features = np.concatenate([mean, deviation], axis=1)
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    chosen = [int(np.random.default_rng(seed).integers(len(split)))]
    distance = np.full(len(split), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.square(features - features[chosen[-1]]).sum(axis=1))
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
    return np.sort(np.array(chosen))


CHOICES: Mapping[str, Callable[[Split, int, int], np.ndarray]] = {
    "random": at_random,
    "stratified": by_class,
    "farthest": far_apart,
}
"""By the word in `quantization.calibration.choice`: from a split, how many and a seed to indices, ascending."""
