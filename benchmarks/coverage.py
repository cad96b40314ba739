"""How often 95 % intervals hold the true value, in simulated scenes: `python benchmarks/coverage.py [REPETITIONS]`.

A group stands for a scene, an image is a patch of it. Scenes differ in how hard they are, how hard each class is in
them, what share each class has, and how much better one file is there than the other; patches of a scene share all of
that. The paired interval and the interval of a single score are held against other intervals on the same counts. The
true value is that of 100,000 scenes, or 0 where both files are made alike.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats
from scipy.special import expit

from segsweep.evaluation.bootstrap import paired_interval
from segsweep.evaluation.confusion import accuracies, mean_ious
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.jackknife import Score, grouped, jackknife
from segsweep.evaluation.score_interval import score_interval

GROUPS = (6, 8, 12, 24, 48, 200)
CLASSES, PIXELS = 4, 1024
_DRAWS, _LEVEL, _TRUE_SCENES = 1000, 0.95, 100_000
_ENDS = np.array([(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
OURS, FORMER = "segsweep", "percentile bootstrap, images drawn one by one"
Ends = np.ndarray
"""(2,) of an interval."""
Statistic = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class World:
    """What scenes are drawn from. Deviations and differences are in logits of a pixel's chance to be right."""

    score: Score
    patches: int = 12
    """Of each scene."""
    is_unequal: bool = False
    """Whether numbers of patches are lognormal in place of that, with a deviation of 0.8, at most 15 times as many."""
    rare: float = 1.0
    """Share of the scenes in which the last class occurs."""
    better: float = 0.0
    """By how much the first file is better, for all classes and scenes."""
    ease: tuple[float, ...] = (2.2, 1.6, 1.2, 1.0)
    """Of each class."""
    scene_deviation: float = 0.8
    """Of scenes in how easy they are for both files."""
    file_deviation: float = 0.35
    """Of scenes in how easy each class is for one file."""


DIFFERENCES: dict[str, World] = {
    "accuracy": World(accuracies),
    "accuracy, independent images": World(accuracies, patches=1),
    "accuracy, a difference of 4 points": World(accuracies, better=0.3),
    "mean IoU, a class in a fifth of the groups": World(mean_ious, rare=0.2),
    "mean IoU, a difference of 6 points": World(mean_ious, better=0.3),
    "the same, unequal groups": World(mean_ious, better=0.3, is_unequal=True),
    "mean IoU, a class in a fifth, unequal groups": World(mean_ious, rare=0.2, is_unequal=True),
    "accuracy near 1, few groups make the difference": World(
        accuracies, better=0.5, ease=(5, 4.5, 4, 4), scene_deviation=1.2, file_deviation=0.6
    ),
}
"""What a difference of two files is taken of, by its name in the table."""
SCORES: dict[str, World] = {
    "accuracy of one file": World(accuracies),
    "mean IoU of one file": World(mean_ious),
    "mean IoU of one file, unequal groups": World(mean_ious, is_unequal=True),
    "accuracy near 1 of one file": World(accuracies, ease=(5, 4.5, 4, 4)),
}
"""What a single score is taken of."""


def simulated(world: World, groups: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts (N, K, K) of two files on the same patches, and the scene (N,) of each patch."""
    sizes = np.full(groups, world.patches)
    if world.is_unequal:
        sizes = np.clip(rng.lognormal(np.log(world.patches), 0.8, groups).round(), 1, 15 * world.patches).astype(int)
    scene = np.repeat(np.arange(groups), sizes)
    patches = len(scene)
    shares = rng.gamma(3.0, 1, (groups, CLASSES)) * [3, 2, 1.5, 1]
    shares[:, -1] *= rng.random(groups) < world.rare
    shares = shares[scene] * rng.gamma(1.0, 1, (patches, CLASSES))
    pixels = (PIXELS * shares / shares.sum(axis=1, keepdims=True)).round().astype(int)
    ease = rng.normal(0, world.scene_deviation, (groups, 1)) + rng.normal(0, 0.5, (groups, CLASSES))
    ease = np.array(world.ease) + ease[scene] + rng.normal(0, 0.5, (patches, CLASSES))
    files = []
    for better in (world.better, 0.0):
        own = rng.normal(0, world.file_deviation / 2, (groups, 1))
        own = own + rng.normal(0, world.file_deviation, (groups, CLASSES))
        right = expit(ease + own[scene] + rng.normal(0, 0.25, (patches, CLASSES)) + better)
        chances = rng.gamma(1.5, 1, (groups, CLASSES, CLASSES)) * (1 - np.eye(CLASSES))
        chances = (chances / chances.sum(axis=2, keepdims=True))[scene] * (1 - right)[..., None]
        chances[:, np.arange(CLASSES), np.arange(CLASSES)] = right
        files.append(rng.multinomial(pixels, chances))
    return files[0], files[1], scene


def bootstraps(files: list[ImageCounts], statistic: Statistic, rng: np.random.Generator) -> dict[str, Ends]:
    """Intervals of the same draws of the rows of the counts: percentile, BCa (Efron 1987), studentized.

    The acceleration is that of the jackknife; the standard error of a draw comes from the influence of its rows.
    """
    value, influence = _influence(files, statistic)
    drawn, errors = _drawn(files, statistic, influence, rng)
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    bias = stats.norm.ppf(np.clip(below, 1 / _DRAWS, 1 - 1 / _DRAWS))
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    normal = bias + stats.norm.ppf(_ENDS)
    high, low = np.quantile((drawn - value) / errors, _ENDS) * np.sqrt((influence**2).sum())
    return {
        "percentile bootstrap": np.quantile(drawn, _ENDS),
        "BCa bootstrap": np.quantile(drawn, stats.norm.cdf(bias + normal / (1 - acceleration * normal))),
        "studentized bootstrap": value - np.array([low, high]),
    }


def _drawn(
    files: list[ImageCounts], statistic: Statistic, influence: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The statistic of each draw (B,) of as many rows as there are, and its standard error (B,)."""
    rows = len(influence)
    places = rng.integers(0, rows, (_DRAWS, rows)) + rows * np.arange(_DRAWS)[:, None]
    times = np.bincount(places.ravel(), minlength=_DRAWS * rows).reshape(_DRAWS, rows).astype(float)
    flat = [each.cells.toarray().astype(float) for each in files]
    spread = (times @ influence**2) / rows - ((times @ influence) / rows) ** 2
    errors = np.sqrt(rows * np.maximum(spread, 1e-9 * (influence**2).mean()))
    return statistic([(times @ each).reshape(-1, CLASSES, CLASSES) for each in flat]), errors


def _influence(files: list[ImageCounts], statistic: Statistic) -> tuple[float, np.ndarray]:
    totals = [each.total for each in files]
    without = statistic([total - each.dense() for total, each in zip(totals, files, strict=True)])
    return float(statistic([total[None] for total in totals])[0]), without.mean() - without


def intervals(
    world: World, counts: tuple[np.ndarray, ...], rng: np.random.Generator, *, is_paired: bool, compared: bool
) -> dict[str, Ends]:
    """Each method's interval of one simulated set; the product's alone where it is not compared."""
    one, other, scene = counts
    images = [ImageCounts.of(one), ImageCounts.of(other)][: 2 if is_paired else 1]

    def statistic(totals: Sequence[np.ndarray]) -> np.ndarray:
        return world.score(totals[0]) - world.score(totals[1]) if is_paired else world.score(totals[0])

    found = (paired_interval if is_paired else score_interval)(*images, world.score, groups=scene)
    assert found is not None
    ends = {OURS: np.array([found.low, found.high])}
    if compared:
        plain = jackknife(images, statistic, scene)
        assert plain is not None
        reach = plain.error * stats.t.ppf(_ENDS[1], plain.groups - 1)
        ends["jackknife t, G - 1 degrees of freedom"] = plain.value + np.array([-reach, reach])
        ends |= bootstraps(grouped(images, scene), statistic, rng)
        by_image = bootstraps(images, statistic, rng)
        ends[FORMER] = by_image["percentile bootstrap"]
    return ends


@cache
def true_value(world: World, is_paired: bool) -> float:
    """Of very many scenes."""
    if is_paired and not world.better:
        return 0.0
    rng = np.random.default_rng(0)
    parts = (simulated(world, 10_000, rng)[:2] for _ in range(_TRUE_SCENES // 10_000))
    totals = sum(np.stack([each.sum(axis=0) for each in part]) for part in parts)
    one, other = world.score(totals)
    return float(one - other if is_paired else one)


def coverage(
    world: World, groups: int, repetitions: int, *, is_paired: bool = True, compared: int = 0
) -> dict[str, float]:
    """By method, the share of intervals that hold the true value; of the first so many repetitions the others too."""
    rng, true = np.random.default_rng(groups), true_value(world, is_paired)
    held: dict[str, list[bool]] = {}
    for repetition in range(repetitions):
        ends = intervals(world, simulated(world, groups, rng), rng, is_paired=is_paired, compared=repetition < compared)
        for name, (low, high) in ends.items():
            held.setdefault(name, []).append(bool(low <= true <= high))
    return {name: float(np.mean(each)) for name, each in held.items()}


def main() -> None:
    """Print the table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    started = time.perf_counter()
    print(f"| groups | {' | '.join(str(count) for count in GROUPS)} |\n| --- |{' ---: |' * len(GROUPS)}")
    for worlds, is_paired in ((DIFFERENCES, True), (SCORES, False)):
        for name, world in worlds.items():
            columns = [
                coverage(world, count, repetitions, is_paired=is_paired, compared=repetitions // 8) for count in GROUPS
            ]
            print(f"| **{name}** |{' |' * len(GROUPS)}")
            for method in columns[0]:
                print(f"| {method} | {' | '.join(f'{100 * each[method]:.1f}' for each in columns)} |", flush=True)
    print(f"\n{repetitions} repetitions, {repetitions // 8} of other methods; {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
