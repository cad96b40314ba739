"""How figures look: sizes, fonts and colours that print well and that all kinds of colour vision tell apart."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib import font_manager

COLUMN_INCHES, PAGE_INCHES = 3.5, 7.0
"""Width of a column of a two-column paper, and of a page."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
"""Okabe and Ito's (2008), without the yellow that white paper swallows."""
GREY = "#8c8c8c"
_TEXT = "#262626"

_VARIANT_STYLES = {
    "float32": ("o", "#000000"),
    "float16": ("s", "#56b4e9"),
    "dynamic_range": ("^", "#009e73"),
    "weight_only_int8": ("v", "#0072b2"),
    "int8": ("D", "#d55e00"),
    "int16x8": ("P", "#cc79a7"),
    "int4": ("p", "#7f7f00"),
    "qat_int8": ("*", "#e69f00"),
    "qat_int4": ("X", "#7a3e9d"),
}
_OTHER_MARKERS = ("X", "h", "<", ">", "p", "d", "8")

_SCRIPTS = (
    "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Devanagari",
    "WenQuanYi Micro Hei", "Droid Sans Fallback",
)  # fmt: skip
"""Fonts that know more alphabets than the one that comes with matplotlib; asked where they are installed."""

P = ParamSpec("P")
R = TypeVar("R")


def variant_style(name: str, place: int) -> tuple[str, str]:
    """Marker and colour of a variant; `place` tells apart those that have none of their own."""
    if name in _VARIANT_STYLES:
        return _VARIANT_STYLES[name]
    return _OTHER_MARKERS[place % len(_OTHER_MARKERS)], COLOURS[place % len(COLOURS)]


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw in the house style, whatever the settings of the process are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(settings()):
            return draw(*args, **kwargs)

    return drawn


def settings() -> Any:
    """The house style as settings of matplotlib."""
    return matplotlib.rcParamsDefault | {
        "font.family": _fonts(),
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "text.color": _TEXT,
        "axes.labelcolor": _TEXT,
        "axes.edgecolor": "#737373",
        "xtick.color": "#737373",
        "ytick.color": "#737373",
        "xtick.labelcolor": _TEXT,
        "ytick.labelcolor": _TEXT,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e6e6e6",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.2,
        "figure.facecolor": "white",
        # A name with a $ is no formula.
        "text.parse_math": False,
        # Embedded whole, as publishers ask: Type 42, not 3.
        "pdf.fonttype": 42,
        "svg.hashsalt": "segsweep",
    }


@functools.cache
def _fonts() -> list[str]:
    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in _SCRIPTS if name in installed)]
