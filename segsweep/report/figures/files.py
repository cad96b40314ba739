"""The figures of a report as files for print: each as SVG, PDF and PNG, in the width of a column and of a page."""

import os
import sys
from pathlib import Path

from segsweep.errors import SegsweepError
from segsweep.report.figures.rendering import KINDS, render
from segsweep.report.figures.style import COLUMN_INCHES, PAGE_INCHES
from segsweep.report.figures.table import PLOTS
from segsweep.report.formats.report_input import ReportInput
from segsweep.whole_files import write_whole

WIDTHS = {"column": COLUMN_INCHES, "page": PAGE_INCHES}
"""By what stands in the names of files."""


def figure_paths(folder: Path) -> list[Path]:
    """The files that figures may become."""
    return [folder / f"{name}-{width}.{kind}" for name in PLOTS for width in WIDTHS for kind in KINDS]


def write_figures(report: ReportInput, folder: Path) -> list[Path]:
    """Write every figure into a folder, which is made; return the paths.

    A figure that has nothing to show is named on standard error.

    Raises:
        SegsweepError: there is nothing to draw, or the folder cannot be written.
    """
    contents: dict[Path, bytes] = {}
    for name, plot in PLOTS.items():
        drawn = {width: plot.draw(report, inches) for width, inches in WIDTHS.items()}
        for width, figure in drawn.items():
            if figure is not None:
                contents |= {folder / f"{name}-{width}.{kind}": render(figure, kind) for kind in KINDS}
        if not any(drawn.values()):
            print(f"segsweep: {name}: nothing to draw, {plot.needs}", file=sys.stderr)
    if not contents:
        raise SegsweepError(f"--figures {folder}: there is nothing to draw; no row that is shown is FINISHED")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SegsweepError(
            f"--figures {folder}: cannot be made ({os.strerror(error.errno or 0)}); choose another place"
        ) from error
    for path, content in contents.items():
        write_whole("--figures", path, content)
    return list(contents)
