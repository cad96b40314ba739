"""Names beside points, where they hide neither each other nor the points."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

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
_PARTS_OF_A_LINE = 40
"""Of each piece between two corners."""
_ROOM = 3.0
"""Pixels at 72 dots an inch that are kept free around the middle of a marker."""


def place_labels(
    axes: Axes, points: np.ndarray, lines: Sequence[np.ndarray], labels: Sequence[tuple[float, float, str]]
) -> None:
    """Write names near their points, where they hide least of the points, the lines and the other names.

    Args:
        axes: with a logarithmic or plain scale that is settled.
        points: (N, 2) points of the data.
        lines: (M, 2) corners of each line, in data units.
        labels: x, y and name, in data units.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    # The places of the axes are settled then; names must not move them again.
    figure.draw_without_rendering()
    scale = figure.dpi / 72
    along = [_along(axes.transData.transform(line)) for line in lines]
    spots = axes.transData.transform(points)
    taken = np.concatenate([_around(spots, _ROOM * scale), *(_around(line, scale) for line in along)])
    edge = np.array([axes.get_window_extent().extents])
    for x, y, text in labels:
        size = _size(axes, text)
        boxes = np.array([_box(axes.transData.transform((x, y)), size, place, scale) for place in _PLACES])
        outside = size[0] * size[1] - _shared(boxes, edge)
        best = int(np.argmin(_shared(boxes, taken) + 3 * outside + 0.5 * scale**2 * np.arange(len(boxes))))
        dx, dy, horizontal, vertical = _PLACES[best]
        pointer = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            text, (x, y), xytext=(dx, dy), textcoords="offset points", ha=horizontal, va=vertical, fontsize=_FONT_SIZE,
            annotation_clip=False, in_layout=False, arrowprops=pointer if best >= _FAR else None,
        )  # fmt: skip
        taken = np.concatenate([taken, boxes[best : best + 1]])


def _size(axes: Axes, text: str) -> tuple[float, float]:
    """Width and height of a text in pixels."""
    artist = axes.text(0, 0, text, fontsize=_FONT_SIZE)
    box = artist.get_window_extent()
    artist.remove()
    return box.width, box.height


def _box(spot: np.ndarray, size: tuple[float, float], place: tuple[int, int, str, str], scale: float) -> list[float]:
    """Where a text lies that stands at a place beside a spot: left, bottom, right and top in pixels."""
    dx, dy, horizontal, vertical = place
    left = float(spot[0]) + dx * scale - size[0] * {"left": 0.0, "center": 0.5, "right": 1.0}[horizontal]
    bottom = float(spot[1]) + dy * scale - size[1] * {"bottom": 0.0, "center": 0.5, "top": 1.0}[vertical]
    return [left, bottom, left + size[0], bottom + size[1]]


def _along(corners: np.ndarray) -> np.ndarray:
    """Spots (N, 2) along a line with corners (M, 2)."""
    shares = np.linspace(0, 1, _PARTS_OF_A_LINE)[:, None, None]
    return ((1 - shares) * corners[:-1] + shares * corners[1:]).reshape(-1, 2)


def _around(spots: np.ndarray, room: float) -> np.ndarray:
    """Boxes (N, 4) around spots (N, 2)."""
    return np.concatenate([spots - room, spots + room], axis=1)


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each of (N, 4) boxes the area that it shares with the others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (high - low).clip(min=0).prod(axis=2).sum(axis=1)
