"""The formats of a report. Imports nothing heavy: each format imports what it needs when it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segsweep.report.formats.report_input import ReportInput


@dataclass(frozen=True)
class Format:
    """A way to write a report."""

    write: Callable[[ReportInput], str | bytes]
    suffixes: tuple[str, ...]
    """Of file names."""
    binary: bool = False
    """Whether it is nothing for a terminal."""


def _markdown(report: ReportInput) -> str:
    from segsweep.report.formats.markdown import to_markdown

    return to_markdown(report)


def _csv(report: ReportInput) -> str:
    from segsweep.report.formats.text_tables import to_csv

    return to_csv(report)


def _json(report: ReportInput) -> str:
    from segsweep.report.formats.text_tables import to_json

    return to_json(report)


def _latex(report: ReportInput) -> str:
    from segsweep.report.formats.latex import to_latex

    return to_latex(report)


def _xlsx(report: ReportInput) -> bytes:
    from segsweep.report.formats.workbook import to_xlsx

    return to_xlsx(report)


def _html(report: ReportInput) -> str:
    from segsweep.report.html.page import to_html

    return to_html(report)


FORMATS: dict[str, Format] = {
    "md": Format(_markdown, (".md", ".markdown", ".txt")),
    "csv": Format(_csv, (".csv",)),
    "json": Format(_json, (".json",)),
    "latex": Format(_latex, (".tex",)),
    "html": Format(_html, (".html", ".htm")),
    "xlsx": Format(_xlsx, (".xlsx",), binary=True),
}
"""From the word after `--format` to what writes it."""

WITH_SWEEP = ("md", "csv", "json")
"""Those kept with every sweep's run."""
