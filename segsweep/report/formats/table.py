"""The formats of a report."""

from collections.abc import Callable
from dataclasses import dataclass

from segsweep.report.formats.markdown import to_markdown
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.formats.text_tables import to_csv, to_json


@dataclass(frozen=True)
class Format:
    """A way to write a report."""

    write: Callable[[ReportInput], str | bytes]
    suffixes: tuple[str, ...]
    """Of file names; the first is how segsweep names such files."""
    binary: bool = False
    """Whether it is nothing for a terminal."""


FORMATS: dict[str, Format] = {
    "md": Format(to_markdown, (".md", ".markdown")),
    "csv": Format(to_csv, (".csv",)),
    "json": Format(to_json, (".json",)),
}
"""From the word after `--format` to what writes it."""

WITH_SWEEP = ("md", "csv", "json")
"""Those kept with every sweep's run."""
