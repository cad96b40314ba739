"""Why rows of a comparison are not finished."""

from collections.abc import Sequence

import pandas as pd

from segsweep.report.attributes import KeptDict, KeptList


def keep_reasons(table: pd.DataFrame, reasons: Sequence[str], settings: Sequence[str]) -> None:
    """Note the reason of each row as attributes of its table; empty where there is none.

    They are found again by the row's `settings`, which rows keep when they are sorted and chosen from: some failed
    before they had a run.
    """
    rows = zip(_identities(table, settings), reasons, strict=True)
    table.attrs["reasons"] = KeptDict({identity: reason for identity, reason in rows if reason})
    table.attrs["settings"] = KeptList(settings)


def reasons_of(table: pd.DataFrame) -> list[str]:
    """Why each row of a comparison, or of a part of one, is not finished; empty where it is, or nobody knows."""
    known = table.attrs.get("reasons")
    if not known:
        return [""] * len(table)
    return [known.get(identity, "") for identity in _identities(table, table.attrs["settings"])]


def _identities(table: pd.DataFrame, settings: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(table[name].map(str) for name in settings), strict=True)) if len(table) else []
