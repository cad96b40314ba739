"""What `segsweep best` says."""

from collections.abc import Sequence
from dataclasses import dataclass

from segsweep.choosing.candidates import TEST, VALIDATION, Candidate, Limit, Metric
from segsweep.choosing.choice import Choice, Difference, choose, nearest
from segsweep.evaluation.bootstrap import Interval, is_too_few
from segsweep.tracking import names


def kib(size: float) -> str:
    """Bytes for people: `120.1 KiB`."""
    return f"{size / 1024:.1f} KiB" if size < 2**20 else f"{size / 2**20:.2f} MiB"


def ms(latency: float) -> str:
    """Milliseconds for people: `0.43 ms`."""
    return f"{latency:.3g} ms" if latency < 100 else f"{latency:.0f} ms"


def points(drop: float) -> str:
    """A drop of a score for people, as it was asked for: `0.0100`."""
    return f"{drop:.4f}"


@dataclass(frozen=True)
class Grounds:
    """What a choice was made by, and what it is worth on the test images."""

    metric: Metric
    split: str
    """The one that decides."""
    images: int | None
    """Images of that split, and how many groups of them are independent; None where an older version did not say."""
    groups: int | None
    test: Interval | None
    """The test score of the winner with its interval; None where there is no interval."""

    @property
    def words(self) -> str:
        """`validation mean IoU`."""
        return self.metric.words_on(self.split)

    @property
    def images_words(self) -> str:
        """`24 validation images`, with the independent groups where these are fewer."""
        if self.images is None:
            return f"the {self.split} images"
        groups = "1 independent group" if self.groups == 1 else f"{self.groups} independent groups"
        grouped = f" ({groups})" if self.groups not in (None, self.images) else ""
        return f"{self.images} {self.split} images{grouped}"


def choice_text(choice: Choice, grounds: Grounds, limits: Sequence[Limit], considered: int) -> str:
    """The variant to ship and why it won, some lines."""
    winner = choice.winner
    lines = [winner.label, *(f"  {name:<10} {text}" for name, text in _facts(winner, grounds)), ""]
    if limits:
        lines.append(f"Wished: {wishes(limits, grounds.words)}. {len(choice.fitting)} of {considered} variants fit.")
    lines.append(f"Why: chosen by {grounds.words}: {_why(choice, grounds)}")
    if choice.tied > 1 and choice.tied > (choice.winner is not choice.top) + 1:
        lines.append(
            f"{choice.tied} of {len(choice.fitting)} variants, the best among them, cannot be told apart on "
            f"{grounds.images_words}."
        )
    runner_up = choice.runner_up
    if runner_up is not None:
        lines.append(f"Runner-up: {runner_up.label}: {_against(choice, grounds)}")
    if choice.above is not None or choice.ahead is not None:
        lines.append(f"(Intervals: 95 %, of {grounds.images_words}; another training may turn out otherwise.)")
    return "\n".join(lines) + "\n"


def wishes(limits: Sequence[Limit], score: str) -> str:
    """What was asked for: `size at most 300.0 KiB, ...`; `score` is what decides, in words."""
    meaning = {"drop": f" of {score} below the float32 file of the same training"}
    return ", ".join(
        each.shown(each.most)
        if each.reasons is not None
        else f"{each.what} at most {each.shown(each.most)}{meaning.get(each.what, '')}"
        for each in limits
    )


def nearest_text(
    candidates: Sequence[Candidate], metric: Metric, split: str, limits: Sequence[Limit], difference: Difference
) -> str:
    """What comes nearest to wishes that nothing fulfils, what each misses, and what would do without one of them."""
    lines = [f"No variant has {wishes(limits, metric.words_on(split))}. The nearest:"]
    for each in nearest(candidates, limits):
        lines.append(f"  {each.label}: {metric.words_on(split)} {each.score:.4f}; {'; '.join(misses(each, limits))}")
    for limit in limits:
        known = [each for each in candidates if limit.value(each) is not None]
        if known and limit.reasons is None and not any(limit.is_kept(each) for each in known):
            least = min(known, key=limit.excess)
            lines.append(f"The least {limit.what} of all is {limit.shown(limit.value(least) or 0.0)}: {least.label}.")
    options = dict.fromkeys(limit.option for limit in limits)
    for option in options if len(options) > 1 else ():
        others = [each for each in limits if each.option != option]
        fitting = [each for each in candidates if all(other.is_kept(each) for other in others)]
        if fitting:
            best = choose(fitting, difference).winner
            lines.append(
                f"Without {option}: {best.label}, {metric.words_on(split)} {best.score:.4f}, {kib(best.size_bytes)}"
                f"{f', {ms(best.latency_ms)}' if best.latency_ms is not None else ''}."
            )
    return "\n".join(lines) + "\n"


def misses(candidate: Candidate, limits: Sequence[Limit]) -> list[str]:
    """What a candidate misses: `size 120.1 KiB, 20.1 KiB too much`."""
    texts = []
    for limit in limits:
        value = limit.value(candidate)
        if value is None:
            texts.append(f"{limit.what} not known")
        elif limit.reasons is not None and not limit.is_kept(candidate):
            texts.append(limit.reasons(candidate))
        elif not limit.is_kept(candidate):
            texts.append(f"{limit.what} {limit.shown(value)}, {limit.shown(value - limit.most)} too much")
    return texts


def within(interval: Interval) -> str:
    """An interval in words: `95 % -0.0005 to +0.0014, within noise`."""
    noise = ", within noise" if interval.is_within_noise else ""
    return f"95 % {interval.low:+.4f} to {interval.high:+.4f}{noise}"


def _facts(winner: Candidate, grounds: Grounds) -> list[tuple[str, str]]:
    tags, metric = winner.run.tags, grounds.metric
    facts = [("run", winner.run.run_id), (grounds.split, f"{metric.words} {winner.score:.4f}")]
    if winner.drop is not None and tags.get(names.BASELINE_RUN_ID) != winner.run.run_id:
        facts[-1] = (
            facts[-1][0],
            f"{facts[-1][1]}, {round(-winner.drop, 4) + 0.0:+.4f} against float32 of the same training",
        )
    tested = winner.run.metrics.get(metric.name)
    if tested is not None:
        text = f"{metric.words} {tested:.4f}"
        if grounds.test is not None:
            text += f" (95 % {grounds.test.low:.4f} to {grounds.test.high:.4f})"
        if grounds.split == VALIDATION:
            facts.append((TEST, text))
        else:
            facts[-1] = (TEST, facts[-1][1].replace(f"{metric.words} {winner.score:.4f}", text, 1))
    facts.append(("size", kib(winner.size_bytes)))
    if winner.latency_ms is not None:
        cpu = tags.get(names.CPU)
        facts.append(("latency", f"{ms(winner.latency_ms)}, one image, one thread{f', {cpu}' if cpu else ''}"))
    else:
        facts.append(("latency", "not measured"))
    asked = winner.footprint
    if asked is not None:
        whose = "the arena TensorFlow Lite Micro takes" if asked.is_measured else "a planned arena"
        facts.append(("memory", f"{kib(asked.memory_bytes)}, {whose}; {asked.macs / 1e6:.1f} million multiplications"))
        if asked.micro is not None and asked.micro.equal is not None:
            share = "" if asked.micro.equal == 1 else f"{asked.micro.equal:.2%} of "
            facts.append(("Micro", f"{share}its output is bit for bit that of LiteRT's reference kernels"))
    return facts


def _why(choice: Choice, grounds: Grounds) -> str:
    winner, top, words = choice.winner, choice.top, grounds.metric.words
    if len(choice.fitting) == 1:
        return "it is the only one."
    if top is winner and not choice.compared:
        few = f": {grounds.images_words} are too few for an interval" if is_too_few(grounds.groups) else ""
        return f"it has the highest {words}; whether smaller files are worse is not known{few}."
    if top is winner:
        return f"it has the highest {words}, and no smaller file is within noise of it."
    assert choice.above is not None
    return (
        f"the highest {words} is {top.score:.4f} ({top.label}, {kib(top.size_bytes)}); "
        f"{choice.above.difference:.4f} more is within noise ({choice.above.low:+.4f} to {choice.above.high:+.4f}), "
        f"and of those within noise this is the smallest file, {_share(winner, top)} of that one."
    )


def _against(choice: Choice, grounds: Grounds) -> str:
    winner, other = choice.winner, choice.runner_up
    assert other is not None
    text = f"{grounds.words} {other.score:.4f} ({other.score - winner.score:+.4f}"
    if choice.ahead is not None:
        turned = Interval(-choice.ahead.difference, -choice.ahead.high, -choice.ahead.low, choice.ahead.groups)
        text += f"; {within(turned)}"
    text += f"), {kib(other.size_bytes)} ({_share(other, winner)})"
    return text + (f", {ms(other.latency_ms)}." if other.latency_ms is not None else ".")


def _share(one: Candidate, other: Candidate) -> str:
    return f"{one.size_bytes / other.size_bytes:.0%}"
