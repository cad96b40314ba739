"""CSV and JSON, for programs."""

import json

import pandas as pd

from segsweep.report.formats.report_input import ReportInput


def to_csv(report: ReportInput) -> str:
    """All columns at full precision, one row a variant; empty where there is no number."""
    return report.table.to_csv(index=False, lineterminator="\n")


def to_json(report: ReportInput) -> str:
    """A JSON list of objects, one a variant, with the columns as keys; null where there is no number."""
    rows = [{name: _json_value(value) for name, value in row.items()} for row in report.table.to_dict("records")]
    return json.dumps(rows, indent=1) + "\n"


def _json_value(value: object) -> object:
    if isinstance(value, float) and pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
