"""Names beside points, where they hide neither each other nor the points."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from segsweep.report.figures.style import GREY

_FONT_SIZE = 7
_PLACES = [
    (6, 0, "left", "center"), (5, 5, "left", "bottom"), (5, -5, "left", "top"), (0, 7, "center", "bottom"),
    (0, -7, "center", "top"), (-6, 0, "right", "center"), (-5, 5, "right", "bottom"), (-5, -5, "right", "top"),
    (14, 14, "left", "bottom"), (14, -14, "left", "top"), (-14, 14, "right", "bottom"), (-14, -14, "right", "top"),
    (0, 20, "center", "bottom"), (0, -20, "center", "top"), (24, 24, "left", "bottom"), (24, -24, "left", "top"),
]  # fmt: skip
"""Where a name may stand relative to its point, in points of 1/72 inch; the first are the best."""
_FAR = 8
"""Places from this one on get a line to their point."""
_ROOM = 3.0
"""Pixels at 72 dots an inch that are kept free around the middle of a marker."""


def place_labels(
    axes: Axes, xs: Iterable[float], ys: Iterable[float], labels: Sequence[tuple[float, float, str]]
) -> None:
    """Write each name (x, y, text) near its point, where it hides least of the points and of the others."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    # The places of the axes are settled now; names must not move them again.
    scale = figure.dpi / 72
    room = _ROOM * scale
    spots = axes.transData.transform(list(zip(xs, ys, strict=True)))
    taken = [Bbox([[x - room, y - room], [x + room, y + room]]) for x, y in spots]
    edge = axes.get_window_extent()
    for x, y, text in labels:
        size = _size(axes, text)
        spot = axes.transData.transform((x, y))
        choices = [_box(spot, size, place, scale) for place in _PLACES]
        hidden = [
            sum(_shared(box, other) for other in taken)
            + 3 * (_area(box) - _shared(box, edge))
            + number * 0.5 * scale**2
            for number, box in enumerate(choices)
        ]
        number = hidden.index(min(hidden))
        dx, dy, horizontal, vertical = _PLACES[number]
        line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            text, (x, y), xytext=(dx, dy), textcoords="offset points", ha=horizontal, va=vertical, fontsize=_FONT_SIZE,
            annotation_clip=False, in_layout=False, arrowprops=line if number >= _FAR else None,
        )  # fmt: skip
        taken.append(choices[number])


def _size(axes: Axes, text: str) -> tuple[float, float]:
    """Width and height of a text in pixels."""
    artist = axes.text(0, 0, text, fontsize=_FONT_SIZE)
    box = artist.get_window_extent()
    artist.remove()
    return box.width, box.height


def _box(spot: np.ndarray, size: tuple[float, float], place: tuple[int, int, str, str], scale: float) -> Bbox:
    """Where a text lies that stands at a place beside a spot, in pixels."""
    dx, dy, horizontal, vertical = place
    left = spot[0] + dx * scale - size[0] * {"left": 0.0, "center": 0.5, "right": 1.0}[horizontal]
    bottom = spot[1] + dy * scale - size[1] * {"bottom": 0.0, "center": 0.5, "top": 1.0}[vertical]
    return Bbox.from_bounds(left, bottom, *size)


def _area(box: Bbox) -> float:
    return float(box.width * box.height)


def _shared(box: Bbox, other: Bbox) -> float:
    common = Bbox.intersection(box, other)
    return _area(common) if common is not None else 0.0
