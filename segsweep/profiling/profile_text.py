"""A profile as text, and as CSV and JSON for programs."""

import csv
import io
import json

from tabulate import tabulate

from segsweep.durations import milliseconds
from segsweep.profiling.float_islands import FloatIsland
from segsweep.profiling.profile import OperatorTime, Profile

_HEADERS = ("", "operator", "layer", "types", "kernels", "million MACs", "µs", "share", "ns/MAC")
_BUSY, _CLOCK_MS = 1.1, 0.01
"""From this share on, beyond what asking the clocks takes, the time by the clock on the wall over that of the processor
says that the machine did other work."""
_ADD_UP = (0.8, 1.25)
"""Within these, the sum over the whole is nothing to be warned of."""
_LESS = "the whole takes more, as where weights and what layers hand each other do not stay in the processor's cache"
_MORE = "what an invoke takes beside computing counts for each operator, which shows where all is short"
CSV_COLUMNS = (
    "number", "operator", "layer", "types", "kernels", "macs", "microseconds", "share", "ns_per_mac", "island",
)  # fmt: skip


def profile_text(found: Profile, top: int | None = None) -> str:
    """Markdown: the operators that take most, all by kind, the float islands, and how far it adds up."""
    lines = [_whole(found), "", _table(found, top), "", "By kind of operator:", "", _kinds(found), ""]
    lines += _islands(found)
    lacking = [each for each in found.operators if each.ms is None]
    if lacking:
        words = ", ".join(f"{each.name} {each.label}" for each in lacking)
        lines.append(f"Not in the sum, since they cannot be run alone: {words}.")
    return "\n".join(lines).rstrip("\n") + "\n"


def profile_csv(found: Profile) -> str:
    """One row an operator, in the order of the file; `island` counts from 1."""
    islands = {
        number: place
        for place, each in enumerate(found.islands, start=1)
        for number in (*each.operators, *each.conversions)
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for each in found.operators:
        measured = ["", ""] if each.ms is None else [f"{1e3 * each.ms:.3f}", f"{found.share(each.number):.5f}"]
        speed = "" if each.ns_per_mac is None else f"{each.ns_per_mac:.5f}"
        writer.writerow(
            [each.number, each.name, each.label, each.types, each.kernels, each.macs, *measured, speed,
             islands.get(each.number, "")]
        )  # fmt: skip
    return text.getvalue()


def profile_json(found: Profile) -> bytes:
    """All of it."""
    return json.dumps(found.as_dict(), indent=1).encode()


def _whole(found: Profile) -> str:
    count = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    ratio = found.sum_ms / found.whole_ms
    text = (
        f"{milliseconds(found.whole_ms)} ms an image ({count}, {found.kernels} kernels, {found.cpu}). "
        f"Its operators, each alone, add up to {milliseconds(found.sum_ms)} ms, {ratio:.0%} of it."
    )
    if found.wall_ms > _BUSY * found.whole_ms + _CLOCK_MS:
        text += (
            " These are times of the processor; by the clock on the wall an image took "
            f"{milliseconds(found.wall_ms)} ms, since the machine did other work."
        )
    if not _ADD_UP[0] <= ratio <= _ADD_UP[1]:
        text += f" That does not add up ({_LESS if ratio < 1 else _MORE}): take the shares as rough."
    return text


def _table(found: Profile, top: int | None) -> str:
    order = sorted(found.operators, key=lambda each: -(each.ms or 0.0))
    shown = order[:top]
    rows = [_row(found, each) for each in shown]
    rest = [each.number for each in order[len(shown) :]]
    if rest:
        rows.append(
            [
                "",
                f"the other {len(rest)}",
                "",
                "",
                "",
                "",
                f"{1e3 * found.ms_of(*rest):.1f}",
                f"{found.share(*rest):.1%}",
                "",
            ]
        )
    return tabulate(rows, headers=_HEADERS, tablefmt="pipe", disable_numparse=True, colalign=_ALIGNED)


_ALIGNED = ("right", "left", "left", "left", "left", "right", "right", "right", "right")


def _row(found: Profile, each: OperatorTime) -> list[str]:
    return [
        str(each.number),
        each.name,
        each.label,
        each.types,
        each.kernels,
        f"{each.macs / 1e6:.2f}" if each.macs else "",
        "" if each.ms is None else f"{1e3 * each.ms:.1f}",
        "" if each.ms is None else f"{found.share(each.number):.1%}",
        "" if each.ns_per_mac is None else f"{each.ns_per_mac:.2g}",
    ]


def _kinds(found: Profile) -> str:
    by_number = {each.number: each for each in found.operators}
    rows = []
    for name, numbers in found.by_name().items():
        macs = sum(by_number[number].macs for number in numbers)
        ms = found.ms_of(*numbers)
        speed = f"{ms * 1e6 / macs:.2g}" if macs else ""
        rows.append([name, len(numbers), f"{1e3 * ms:.1f}", f"{found.share(*numbers):.1%}", speed])
    headers = ("operator", "count", "µs", "share", "ns/MAC")
    aligned = ("left", "right", "right", "right", "right")
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=aligned)


def _islands(found: Profile) -> list[str]:
    if not found.islands:
        return []
    numbers = [number for each in found.islands for number in (*each.operators, *each.conversions)]
    head = (
        f"Float in a file of integers, {1e3 * found.ms_of(*numbers):.1f} µs, {found.share(*numbers):.1%} of the time:"
    )
    return [head, "", *(f"- {_island(found, each)}" for each in found.islands), ""]


def _island(found: Profile, island: FloatIsland) -> str:
    cost = f"{1e3 * found.ms_of(*island.operators, *island.conversions):.1f} µs"
    conversions = _named(found, island.conversions)
    around = (
        f"{conversions} around {'them' if len(island.operators) > 1 else 'it'} "
        f"({1e3 * found.ms_of(*island.conversions):.1f} µs)"
        if island.conversions
        else "no conversions around"
    )
    if island.operators:
        return f"{_named(found, island.operators)}; {around}: {cost}"
    where = [words for holds, words in ((island.takes_input, "input"), (island.gives_output, "output")) if holds]
    why = f"the model's {' and '.join(where)} is float" if where else "to float and back, for nothing"
    return f"{conversions}, since {why}: {cost}" if where else f"{conversions}, {why}: {cost}"


def _named(found: Profile, numbers: tuple[int, ...]) -> str:
    by_number = {each.number: each for each in found.operators}
    return ", ".join(f"{by_number[number].name} {by_number[number].label}" for number in numbers if number in by_number)
