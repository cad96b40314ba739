"""What every format is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class View:
    """What of a comparison is shown, and how. The rows and their order are those of the table."""

    columns: tuple[str, ...] | None = None
    """Columns in the order wished; None for those that the format shows by itself."""
    added: tuple[str, ...] = ()
    """Columns after those that the format shows by itself."""
    removed: tuple[str, ...] = ()
    """Columns that are not shown."""
    group_by: tuple[str, ...] = ()
    """Columns by whose values the rows, which stand together, are parted."""
    decimals: int | None = None
    """Digits after the point of scores and of their differences; None for what the format has."""

    def of(self, shown: Sequence[str]) -> list[str]:
        """The columns to show, where a format would show `shown`."""
        if self.columns is not None:
            return list(self.columns)
        return [name for name in dict.fromkeys([*shown, *self.added]) if name not in self.removed]

    def in_groups(self, shown: Sequence[str]) -> list[str]:
        """The same without the columns that stand above each group, unless nothing else is left."""
        columns = self.of(shown)
        return [name for name in columns if name not in self.group_by] or columns


@dataclass(frozen=True)
class ReportInput:
    """A comparison and where it comes from."""

    table: pd.DataFrame
    """The rows to show, in their order, with all columns and attributes that :func:`comparison` gives, and maybe more
    columns that were asked for."""
    runs: Mapping[str, RunRecord]
    """The runs of the rows, and maybe of others, by id: metrics, tags and params without another query."""
    store: Store
    """For artifacts."""
    sweep: RunRecord
    view: View = View()
