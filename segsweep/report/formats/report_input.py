"""What every format is made from."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class View:
    """What of a comparison is shown, and how."""

    columns: tuple[str, ...] | None = None
    """Columns of the comparison in the order wished; None for those of the format."""
    group_by: str | None = None
    """Column by whose values the rows are put into tables of their own, where the format has such."""
    decimals: int | None = None
    """Digits after the point of scores and of latency; None for those of the format. Full precision is left to csv and
    json where it is None."""


@dataclass(frozen=True)
class ReportInput:
    """A comparison and where it comes from."""

    table: pd.DataFrame
    """The rows to show, in their order, with all columns and attributes that :func:`comparison` gives."""
    runs: Mapping[str, RunRecord]
    """The runs of the rows, and maybe of others, by id: metrics, tags and params without another query."""
    store: Store
    """For artifacts."""
    sweep: RunRecord
    view: View = View()
