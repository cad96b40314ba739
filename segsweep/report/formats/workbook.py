"""A workbook, for spreadsheets."""

import io
import math
import numbers
import re
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from segsweep.report.formats.best import best_rows
from segsweep.report.formats.cells import groups_of, is_difference, is_score
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.html.provenance import provenance

TABLE_SHEET, ORIGIN_SHEET = "comparison", "how it was made"

_DIGITS = 4
_FORMATS = {
    "size_bytes": "#,##0",
    "gzip_bytes": "#,##0",
    "size_ratio": "0.0%",
    "latency_p50_ms": "[<0.1]0.0000;[<1]0.000;0.00",
    "train_s": "0.0",
}
_HEAD = PatternFill("solid", fgColor="E6E6E6")
_WIDEST, _NARROWEST = 60, 8
"""Of columns, in letters."""
_LONGEST = 32_767
"""Letters that a cell may hold."""


def to_xlsx(report: ReportInput) -> bytes:
    """The columns of csv with numbers as numbers, the best in bold; a second sheet tells how it was made."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = TABLE_SHEET
    _comparison(sheet, report)
    _origin(book.create_sheet(ORIGIN_SHEET), report)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _comparison(sheet: Worksheet, report: ReportInput) -> None:
    table, view = report.table, report.view
    columns = view.of(list(table.columns))
    _head(sheet, columns)
    place = 2
    for _, rows in groups_of(table, view.group_by):
        best = {name: best_rows(rows, name, view.decimals) for name in columns}
        for row in rows.index:
            for column, name in enumerate(columns, 1):
                cell = sheet.cell(place, column)
                _fill(cell, rows.at[row, name])
                if isinstance(cell.value, numbers.Real):
                    cell.number_format = _number_format(name, view.decimals)
                if row in best[name]:
                    cell.font = Font(bold=True)
            place += 1
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{max(1, place - 1)}"
    _set_widths(sheet)


def _origin(sheet: Worksheet, report: ReportInput) -> None:
    made = provenance(report)
    _head(sheet, ["what", "value"])
    parts = [
        *([("repeat with", made.command)] if made.command else []),
        *made.facts,
        *((f"version of {name}", version) for name, version in made.versions),
        *made.settings,
    ]
    for place, (name, value) in enumerate(parts, 2):
        _fill(sheet.cell(place, 1), name)
        _fill(sheet.cell(place, 2), value)
    sheet.freeze_panes = "A2"
    _set_widths(sheet)


def _head(sheet: Worksheet, names: list[str]) -> None:
    for column, name in enumerate(names, 1):
        cell = sheet.cell(1, column)
        _fill(cell, name)
        cell.font, cell.fill = Font(bold=True), _HEAD


def _fill(cell: Cell | Any, value: Any) -> None:
    """Set a cell to a number or to text that stays text, whatever it begins with."""
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        cell.value = int(value) if isinstance(value, numbers.Integral) else float(value)
        return
    cell.value = ILLEGAL_CHARACTERS_RE.sub(" ", str(value))[:_LONGEST]
    # Else = makes it a formula, here or when somebody edits it.
    cell.data_type = "s"
    cell.quotePrefix = bool(re.match(r"[=+\-@\t\r]", cell.value))


def _number_format(name: str, decimals: int | None) -> str:
    digits = _DIGITS if decimals is None else decimals
    number = f"0.{'0' * digits}" if digits else "0"
    if is_difference(name):
        return f"+{number};-{number};{number}"
    return number if is_score(name) else _FORMATS.get(name, "General")


def _set_widths(sheet: Worksheet) -> None:
    for column, cells in enumerate(sheet.columns, 1):
        longest = max(len(f"{cell.value:.4g}") if isinstance(cell.value, float) else len(str(cell.value or ""))
                      for cell in cells)  # fmt: skip
        sheet.column_dimensions[get_column_letter(column)].width = min(_WIDEST, max(_NARROWEST, longest + 3))
