"""Which variants no other one beats."""

from collections.abc import Mapping, Sequence

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
    "validation_accuracy": "maximize",
    "validation_mean_iou": "maximize",
    "validation_mean_dice": "maximize",
    "validation_agreement": "maximize",
}
"""Columns of the comparison that have a direction that is better."""

_SCORES = ("accuracy", "mean_iou", "mean_dice", "agreement")
OBJECTIVES: Mapping[str, str] = {
    **{name: f"validation_{name}" for name in _SCORES},
    **{f"test_{name}": name for name in _SCORES},
    **{name: name for name in DIRECTIONS if name.removeprefix("validation_") not in _SCORES},
}
"""From what one may be after to the column of the comparison that says it: the validation split chooses, unless the
name says `test`."""


def column_of(objective: str) -> str:
    """The column of an objective."""
    return OBJECTIVES.get(objective, objective)


def pareto_optimal(table: pd.DataFrame, objectives: Sequence[str]) -> pd.Series:
    """Whether no other row of a comparison is at least as good in all `objectives` and better in one.

    Controls (fine-tunes in float) are not considered; a row without one of the numbers is not optimal. Rows that were
    scored on different images (the attributes `validation_data` and `test_data`) are not compared.
    """
    candidates = (table["status"] == "FINISHED") & (table["training_kind"] != "finetune")
    columns = [column_of(name) for name in objectives]
    signs = [1.0 if DIRECTIONS[column] == "maximize" else -1.0 for column in columns]
    values = table[list(columns)].astype(float) * signs
    candidates &= values.notna().all(axis=1)
    optimal: set[object] = set()
    scores = [column for column in columns if column.removeprefix("validation_") in _SCORES]
    chosen_on = {"validation" if column.startswith("validation_") else "test" for column in scores}
    images = [images_of(table, split)[candidates] for split in sorted(chosen_on)]
    for _, group in values[candidates].groupby(images, sort=False) if images else [(None, values[candidates])]:
        points = group.to_numpy()
        beaten = [((points >= point).all(axis=1) & (points > point).any(axis=1)).any() for point in points]
        optimal |= {index for index, each in zip(group.index, beaten, strict=True) if not each}
    return pd.Series([index in optimal for index in table.index], index=table.index, dtype=bool)
