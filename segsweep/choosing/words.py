"""What `segsweep best` says."""

from collections.abc import Sequence

from segsweep.choosing.candidates import Candidate, Limit, Metric
from segsweep.choosing.choice import Choice, Difference, choose, nearest
from segsweep.evaluation.bootstrap import Interval
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


def choice_text(choice: Choice, metric: Metric, limits: Sequence[Limit], considered: int) -> str:
    """The variant to ship and why it won, some lines."""
    winner = choice.winner
    lines = [winner.label, *(f"  {name:<10} {text}" for name, text in _facts(winner, metric)), ""]
    if limits:
        lines.append(f"Wished: {wishes(limits, metric)}. {len(choice.fitting)} of {considered} variants fit.")
    lines.append(f"Why: {_why(choice, metric)}")
    runner_up = choice.runner_up
    if runner_up is not None:
        lines.append(f"Runner-up: {runner_up.label}: {_against(choice, metric)}")
    if choice.above is not None or choice.ahead is not None:
        lines.append(
            "(Intervals: 95 %, paired bootstrap over the test images; another training may turn out otherwise.)"
        )
    return "\n".join(lines) + "\n"


def wishes(limits: Sequence[Limit], metric: Metric) -> str:
    """What was asked for: `size at most 300.0 KiB, ...`."""
    meaning = {"drop": f" of {metric.words} below the float32 file of the same training"}
    return ", ".join(
        each.shown(each.most)
        if each.reasons is not None
        else f"{each.what} at most {each.shown(each.most)}{meaning.get(each.what, '')}"
        for each in limits
    )


def nearest_text(
    candidates: Sequence[Candidate], metric: Metric, limits: Sequence[Limit], difference: Difference
) -> str:
    """What comes nearest to wishes that nothing fulfils, what each misses, and what would do without one of them."""
    lines = [f"No variant has {wishes(limits, metric)}. The nearest:"]
    for each in nearest(candidates, limits):
        lines.append(f"  {each.label}: {metric.words} {each.score:.4f}; {'; '.join(misses(each, limits))}")
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
                f"Without {option}: {best.label}, {metric.words} {best.score:.4f}, {kib(best.size_bytes)}"
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


def _facts(winner: Candidate, metric: Metric) -> list[tuple[str, str]]:
    tags = winner.run.tags
    facts = [("run", winner.run.run_id), (metric.words, f"{winner.score:.4f}")]
    if winner.drop is not None and tags.get(names.BASELINE_RUN_ID) != winner.run.run_id:
        facts[-1] = (metric.words, f"{winner.score:.4f}, {-winner.drop:+.4f} against float32 of the same training")
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


def _why(choice: Choice, metric: Metric) -> str:
    winner, top = choice.winner, choice.top
    if len(choice.fitting) == 1:
        return "it is the only one."
    if top is winner and not choice.compared:
        return f"it has the highest {metric.words}; how sure its lead over smaller files is was not measured."
    if top is winner:
        return f"it has the highest {metric.words}, and no smaller file is within noise of it."
    assert choice.above is not None
    return (
        f"the highest {metric.words} is {top.score:.4f} ({top.label}, {kib(top.size_bytes)}); "
        f"{choice.above.difference:.4f} more is within noise ({choice.above.low:+.4f} to {choice.above.high:+.4f}), "
        f"and of those within noise this is the smallest file, {_share(winner, top)} of that one."
    )


def _against(choice: Choice, metric: Metric) -> str:
    winner, other = choice.winner, choice.runner_up
    assert other is not None
    text = f"{metric.words} {other.score:.4f} ({other.score - winner.score:+.4f}"
    if choice.ahead is not None:
        turned = Interval(-choice.ahead.difference, -choice.ahead.high, -choice.ahead.low, choice.ahead.groups)
        text += f"; {within(turned)}"
    text += f"), {kib(other.size_bytes)} ({_share(other, winner)})"
    return text + (f", {ms(other.latency_ms)}." if other.latency_ms is not None else ".")


def _share(one: Candidate, other: Candidate) -> str:
    return f"{one.size_bytes / other.size_bytes:.0%}"
