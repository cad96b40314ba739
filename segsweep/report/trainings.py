"""Which rows of a comparison come from the same training, and what tells trainings apart."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

_SHORT = {"width": "w", "learning_rate": "lr", "seed": "seed"}
"""Settings whose name stands before the value without a space, as in the names of runs."""


def training_settings(table: pd.DataFrame) -> list[str]:
    """Columns that say which float training a row descends from."""
    settings = list(table.columns[: table.columns.get_loc("training_kind")])
    return [name for name in settings if name != "quantization" and not name.startswith("quantization.")]


def training_labels(table: pd.DataFrame) -> pd.Series:
    """For each row a short name of its float training: the settings that vary among those of the table.

    `w8 lr0.003`; where nothing varies, the model.
    """
    varying = [name for name in training_settings(table) if table[name].nunique(dropna=False) > 1]
    if not varying:
        return table["model"].astype(str)
    columns = [table[name].tolist() for name in varying]
    labels = [_label(varying, values) for values in zip(*columns, strict=True)]
    return pd.Series(labels, index=table.index, dtype=object)


def _label(varying: Sequence[str], values: Sequence[Any]) -> str:
    words = []
    for name, value in zip(varying, values, strict=True):
        if not pd.isna(value):
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            plain = name in ("data", "model")
            words.append(shown if plain else f"{_SHORT[name]}{shown}" if name in _SHORT else f"{name} {shown}")
    return " ".join(words)
