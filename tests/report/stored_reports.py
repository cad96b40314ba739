"""A report whose settings and classes have names that mean something in one format or another."""

from pathlib import Path

from stored_sweep import stored_sweep

from segsweep.report.comparison import compare
from segsweep.report.formats.report_input import ReportInput
from segsweep.tracking import names
from segsweep.tracking.store import Store

NAMES = (
    "<script>alert(1)</script>", "A & B", "50 %_x_", "a|b|c", "水田 ريف", "=1+1", "+SUM(A1)", "-1-2", "@x",
    "[64, 64] $x^2$ #{1}~",
)  # fmt: skip
"""A value of the setting `data.images` for each row."""


def hostile_report(folder: Path, *, failing: bool = False) -> ReportInput:
    """A report of a stored sweep of 10 rows with a further setting of such values, one a row."""
    store = Store.open(f"sqlite:///{folder}/mlflow.db", "segsweep")
    sweep = stored_sweep(store, failing=(8, 16) if failing else (), pictures=False)
    for run in store.of_kind(names.VARIANT):
        scores = {f"{names.IOU}_水田 ريف": 0.5}
        store.log(run.run_id, metrics=scores)
    found = compare(store, sweep)
    table = found.table.copy()
    table.insert(6, "data.images", list(NAMES))
    return ReportInput(table, found.runs, store, sweep)
