"""Figures as files; the same figure gives the same bytes."""

import io
import warnings

import matplotlib
from matplotlib.figure import Figure

from segsweep.report.figures.style import settings

DOTS_PER_INCH = 300
"""Of a PNG for print."""

_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": "segsweep"},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": "segsweep", "Producer": None},
    "png": {"Software": "segsweep"},
}
KINDS = tuple(_METADATA)


def render(
    figure: Figure, kind: str, *, dots: int = DOTS_PER_INCH, text: bool = False, salt: str = "segsweep"
) -> bytes:
    """A figure as the bytes of a file; needs no display.

    Args:
        figure: as a function of this package drew it.
        kind: `svg`, `pdf` or `png`.
        dots: pixels per inch, of a PNG.
        text: whether letters of an SVG are text, for a page that has fonts, and not outlines that look the same
            everywhere.
        salt: what makes the ids inside an SVG its own; another for each SVG of one page.
    """
    chosen = {"svg.fonttype": "none" if text else "path", "svg.hashsalt": salt}
    file = io.BytesIO()
    with matplotlib.rc_context(settings() | chosen), warnings.catch_warnings():
        # Of a letter that no font here has, a box is drawn.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(file, format=kind, dpi=dots, metadata=_METADATA[kind])
    return file.getvalue()
