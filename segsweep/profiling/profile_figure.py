"""A profile as a picture."""

from matplotlib.figure import Figure

from segsweep.profiling.float_islands import FLOATS
from segsweep.profiling.profile import OperatorTime, Profile
from segsweep.report.figures.style import COLOURS, GREY, PAGE_INCHES, styled

_MOST_BARS = 40


@styled
def profile_figure(found: Profile) -> Figure:
    """Bars by operator in the order of the file, coloured by what they compute with."""
    order = sorted(found.operators, key=lambda each: -(each.ms or 0.0))[:_MOST_BARS]
    shown = sorted(order, key=lambda each: each.number)
    figure = Figure(figsize=(PAGE_INCHES, 1.0 + 0.17 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for kind, colour in _KINDS.items():
        places = [place for place, each in enumerate(shown) if _kind(each) == kind]
        if places:
            axes.barh(places, [1e3 * (shown[place].ms or 0.0) for place in places], color=colour, label=kind)
    axes.set_yticks(range(len(shown)), [f"{each.label}  {each.name}" for each in shown])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    left = f", the {len(shown)} longest of {len(found.operators)}" if len(shown) < len(found.operators) else ""
    axes.set_xlabel(
        f"µs of the operator alone{left}; {1e3 * found.sum_ms:.0f} together, {1e3 * found.whole_ms:.0f} the whole file"
    )
    axes.legend(loc="best")
    return figure


_KINDS = {"integer": COLOURS[0], "float": COLOURS[1], "conversion": COLOURS[3], "other": GREY}


def _kind(each: OperatorTime) -> str:
    if each.name in ("QUANTIZE", "DEQUANTIZE"):
        return "conversion"
    if each.types.startswith(FLOATS):
        return "float"
    return "integer" if "int" in each.types else "other"
