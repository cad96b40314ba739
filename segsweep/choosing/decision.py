"""From a comparison and wishes to a decision in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from segsweep.choosing.candidates import (
    METRICS,
    TEST,
    VALIDATION,
    Candidate,
    Limit,
    Metric,
    candidates,
    data_of,
    is_file,
)
from segsweep.choosing.choice import choose, nearest
from segsweep.choosing.device_limits import device_limits, memory_limit, memory_remarks
from segsweep.choosing.differences import Differences, same_truth
from segsweep.choosing.words import Grounds, choice_text, kib, misses, ms, nearest_text, points
from segsweep.devices.footprint import footprint_of_run, stated_footprint
from segsweep.devices.four_bit_kernels import kernel_remarks
from segsweep.devices.profile import Device
from segsweep.errors import SegsweepError
from segsweep.report.comparison import Comparison
from segsweep.report.older_scores import TRAINED_AGAIN, is_older
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class Wish:
    """What is wished of the variant to ship."""

    metric: str
    """One of `METRICS`."""
    most: Mapping[str, tuple[str, float]]
    """By `size`, `gzip`, `memory` (bytes), `latency` (milliseconds) or `drop` (of the metric): the option as given, and
    the number."""
    split: str = VALIDATION
    """One of `SPLITS`: whose scores decide."""
    controls: bool = False
    """Whether float fine-tunes of the same budget as quantization-aware ones may be shipped."""
    device: tuple[str, Device] | None = None
    """What it must run on, with the option as given."""


@dataclass(frozen=True)
class Decision:
    """What came of it."""

    winner: Candidate | None
    """None where nothing fits."""
    text: str
    """For people, some lines."""
    refusal: str
    """Why there is no winner, one line; empty where there is one."""
    remarks: tuple[str, ...]
    """What else one should know, a sentence each."""


def decide(store: Store, sweep: RunRecord, comparison: Comparison, wish: Wish) -> Decision:
    """Choose a variant of a sweep.

    Raises:
        SegsweepError: no variant is finished, none has a score of the split that decides, or they were scored on
            different images of it.
    """
    metric = METRICS[wish.metric]
    needs_memory = wish.device is not None or "memory" in wish.most
    footprint_of = partial(footprint_of_run, store) if needs_memory else stated_footprint
    everyone = candidates(comparison, metric, wish.split, footprint_of)
    allowed = [each for each in everyone if wish.controls or not each.is_control]
    name = f"sweep {sweep.run_id[:8]}"
    if not allowed:
        raise SegsweepError(f"{name}: {_nothing(comparison, metric, wish, sweep)}")
    difference = Differences(store, metric, wish.split)
    _require_one_truth(everyone, difference, wish.split, name)
    limits = _limits(wish)
    fitting = [each for each in allowed if all(limit.is_kept(each) for limit in limits)]
    remarks = _remarks(comparison, allowed, wish)
    if not fitting:
        text = nearest_text(allowed, metric, wish.split, limits, difference)
        first = nearest(allowed, limits)[0]
        given = " ".join(dict.fromkeys(limit.option for limit in limits))
        refusal = (
            f"{name}: no variant fits {given}; the nearest, {first.label}, misses: {'; '.join(misses(first, limits))}"
        )
        return Decision(None, text, refusal, remarks)
    choice = choose(fitting, difference)
    with_controls = [each for each in everyone if all(limit.is_kept(each) for limit in limits)]
    if len(with_controls) > len(fitting):
        other = choose(with_controls, difference).winner
        if other.is_control:
            remarks += (
                f"the control {other.label} ({metric.words_on(wish.split)} {other.score:.4f}, {kib(other.size_bytes)}) "
                "would have won if controls took part, as --controls lets them",
            )
    remarks += tuple(kernel_remarks([choice.winner.run]))
    grounds = _grounds(store, choice.winner, metric, wish.split)
    return Decision(choice.winner, choice_text(choice, grounds, limits, len(allowed)), "", remarks)


def _nothing(comparison: Comparison, metric: Metric, wish: Wish, sweep: RunRecord) -> str:
    """Why there is nothing to choose from."""
    older = [run for run in _files(comparison) if is_older(run) and metric.name in run.metrics]
    if older and wish.split == VALIDATION:
        made = "its 1 variant has" if len(older) == 1 else f"its {len(older)} variants have"
        return (
            f"{made} no validation scores, which versions before 0.2 did not log; run the sweep again: the files are "
            f"scored again, and {TRAINED_AGAIN}; or choose by the test scores with --choose-on test"
        )
    return (
        f"none of its {len(comparison.table)} variants is finished and scored; `segsweep report --sweep "
        f"{sweep.run_id[:8]}` shows why"
    )


def _files(comparison: Comparison) -> list[RunRecord]:
    """The runs of the rows that are finished single files."""
    runs = (comparison.runs.get(str(run_id)) for run_id in comparison.table["run_id"])
    return [run for run in runs if run is not None and is_file(run)]


def _grounds(store: Store, winner: Candidate, metric: Metric, split: str) -> Grounds:
    """What the choice rests on, and the test score of what was chosen."""
    images, groups = (
        (names.VALIDATION_IMAGES, names.VALIDATION_GROUPS)
        if split == VALIDATION
        else (names.TEST_IMAGES, names.TEST_GROUPS)
    )
    tags = winner.run.tags
    return Grounds(
        metric,
        split,
        int(tags[images]) if images in tags else None,
        int(tags[groups]) if groups in tags else None,
        Differences(store, metric, TEST).score_interval(winner),
    )


def _limits(wish: Wish) -> list[Limit]:
    """The limits of a wish; an excess over a drop of less than a point is measured in points."""
    made = {
        "size": lambda option, most: Limit(option, "size", most, lambda each: each.size_bytes, kib),
        "gzip": lambda option, most: Limit(option, "compressed size", most, _gzip_bytes, kib),
        "latency": lambda option, most: Limit(option, "latency", most, lambda each: each.latency_ms, ms),
        "drop": lambda option, most: Limit(option, "drop", most, lambda each: each.drop, points, step=0.01),
        "memory": memory_limit,
    }
    limits = [made[what](option, most) for what, (option, most) in wish.most.items()]
    return limits + (device_limits(*wish.device) if wish.device is not None else [])


def _gzip_bytes(each: Candidate) -> float | None:
    return each.run.metrics.get(names.GZIP_BYTES)


def _require_one_truth(everyone: Sequence[Candidate], difference: Differences, split: str, name: str) -> None:
    """Refuse scores of different images; the same images in other bands or sizes of file are the same."""
    groups = {data_of(each, split): each for each in everyone}
    if len(groups) < 2:
        return
    first, *others = groups.values()
    counts = difference.counts(first)
    for other in others:
        compared = difference.counts(other)
        if counts is None or compared is None or not same_truth(counts, compared):
            data = sorted({each.run.params.get("data.name", "?") for each in everyone})
            raise SegsweepError(
                f"{name}: its variants were scored on different {split} images (data: {', '.join(data)}), so their "
                f"scores cannot be compared; name one with --where, such as --where data={data[0]}"
            )


def _remarks(comparison: Comparison, allowed: Sequence[Candidate], wish: Wish) -> tuple[str, ...]:
    remarks = []
    if wish.split == TEST:
        remarks.append(
            "chosen by test scores: the test score of what was chosen is too good by chance; without --choose-on test, "
            "the validation chooses and the test score is free of that"
        )
    unscored = sum(METRICS[wish.metric].name_on(wish.split) not in run.metrics for run in _files(comparison))
    if unscored:
        variants = "1 variant has" if unscored == 1 else f"{unscored} variants have"
        remarks.append(f"{variants} no {wish.split} scores and took no part; run the sweep again")
    missing = len(comparison.table) - int((comparison.table["status"] == "FINISHED").sum())
    if missing:
        remarks.append(f"{missing} of {len(comparison.table)} variants are not finished and took no part")
    cpus = {cpu for each in allowed if (cpu := each.run.tags.get(names.CPU))}
    if "latency" in wish.most and len(cpus) > 1:
        remarks.append(f"latencies were measured on different machines: {', '.join(sorted(cpus))}")
    if "memory" in wish.most or wish.device is not None:
        remarks += memory_remarks(allowed, wish.device[1] if wish.device is not None else None)
    return tuple(remarks)
