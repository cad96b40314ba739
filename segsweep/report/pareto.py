"""Which variants no other one beats."""

from collections.abc import Sequence

import pandas as pd

from segsweep.report.scored_images import images_of

DIRECTIONS = {
    "accuracy": "maximize",
    "mean_iou": "maximize",
    "mean_dice": "maximize",
    "agreement": "maximize",
    "size_bytes": "minimize",
    "latency_p50_ms": "minimize",
    "train_s": "minimize",
    "peak_memory_bytes": "minimize",
    "arena_bytes": "minimize",
    "micro_arena_bytes": "minimize",
    "macs": "minimize",
    "gzip_bytes": "minimize",
}
"""Columns of the comparison that one may be after, and the direction that is better."""


def pareto_optimal(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Whether no other row of a comparison is at least as good in all `columns` and better in one.

    Controls (fine-tunes in float) are not considered; a row without one of the numbers is not optimal. Rows that were
    scored on different test images (the attribute `test_data`) are not compared.
    """
    candidates = (table["status"] == "FINISHED") & (table["training_kind"] != "finetune")
    signs = [1.0 if DIRECTIONS[column] == "maximize" else -1.0 for column in columns]
    values = table[list(columns)].astype(float) * signs
    candidates &= values.notna().all(axis=1)
    optimal: set[object] = set()
    for _, group in values[candidates].groupby(images_of(table)[candidates], sort=False):
        points = group.to_numpy()
        beaten = [((points >= point).all(axis=1) & (points > point).any(axis=1)).any() for point in points]
        optimal |= {index for index, each in zip(group.index, beaten, strict=True) if not each}
    return pd.Series([index in optimal for index in table.index], index=table.index, dtype=bool)
