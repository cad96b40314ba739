"""Which variants no other one beats."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

DIRECTIONS = {
    "accuracy": "maximize",
    "mean_iou": "maximize",
    "mean_dice": "maximize",
    "agreement": "maximize",
    "size_bytes": "minimize",
    "latency_p50_ms": "minimize",
    "train_s": "minimize",
}
"""Columns of the comparison that one may be after, and the direction that is better."""


def pareto_optimal(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Whether no other row of a comparison is at least as good in all `columns` and better in one.

    Controls (fine-tunes in float) are not considered; a row without one of the numbers is not optimal.
    """
    signs = [1.0 if DIRECTIONS[column] == "maximize" else -1.0 for column in columns]
    # Arrays: of a table, each step would copy all that the table has as attributes.
    values = np.stack([table[column].to_numpy(float) for column in columns], axis=1) * signs
    candidates = (table["status"] == "FINISHED").to_numpy() & (table["training_kind"] != "finetune").to_numpy()
    candidates &= ~np.isnan(values).any(axis=1)
    considered = values[candidates]
    optimal = candidates.copy()
    optimal[candidates] = [
        not ((considered >= row).all(axis=1) & (considered > row).any(axis=1)).any() for row in considered
    ]
    return pd.Series(optimal, index=table.index)
