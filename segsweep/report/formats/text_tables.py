"""CSV and JSON, for programs."""

import json
import math

import pandas as pd

from segsweep.report.formats.cells import is_missing, is_score
from segsweep.report.formats.report_input import ReportInput

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a formula may begin with, in one spreadsheet or another."""


def to_csv(report: ReportInput) -> str:
    """All columns at full precision, one row a variant; empty where there is no number.

    Text that a spreadsheet would take for a formula begins with `'`.
    """
    table = _chosen(report)
    for name in table.columns:
        if table[name].dtype == object or isinstance(table[name].dtype, pd.StringDtype):
            table[name] = table[name].map(_harmless)
    return table.to_csv(index=False, lineterminator="\n")


def to_json(report: ReportInput) -> str:
    """A JSON list of objects, one a variant, with the columns as keys; null where there is no number.

    `docs/comparison.schema.json` describes it.
    """
    rows = [{name: _json_value(value) for name, value in row.items()} for row in _chosen(report).to_dict("records")]
    return json.dumps(rows, indent=1, allow_nan=False) + "\n"


def _chosen(report: ReportInput) -> pd.DataFrame:
    """The columns to write; scores are rounded where digits are asked for."""
    table = report.table.copy()
    if report.view.decimals is not None:
        for name in filter(is_score, table.columns):
            table[name] = pd.to_numeric(table[name]).round(report.view.decimals)
    # A row without a size would turn all sizes into numbers with a point.
    table["size_bytes"] = table["size_bytes"].astype("Int64")
    return table[report.view.of(list(table.columns))]


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _json_value(value: object) -> object:
    if is_missing(value) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value
