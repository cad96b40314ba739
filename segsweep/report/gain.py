"""What quantization-aware training gained."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

_COMPARED = (
    ("int8", "float", "int8"),
    ("finetune float32", "finetune", "float32"),
    ("finetune int8", "finetune", "int8"),
)
"""Column of the result, training kind and variant."""


def quantization_aware_gain(table: pd.DataFrame) -> pd.DataFrame:
    """What quantization-aware training gained, for each training that has one.

    Its gain is against the int8 file of a float fine-tune of the same budget: a few more epochs alone may help as
    much, so the difference to the older float training says nothing about quantization.

    Returns:
        The settings, the mean IoUs that are compared, `gain`, and the ends of its 95 % interval `gain_low` and
        `gain_high` over independent groups of test images, NaN where there are too few of them.
    """
    settings = _settings(table)
    labels = [label for label, _, _ in _COMPARED]
    return _gains(table, settings)[[*settings, *labels, "qat_int8", "gain", "gain_low", "gain_high"]]


def gain_intervals(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """The ends of the 95 % interval of each gain, by run id of the quantization-aware variant, where they are known."""
    gains = _gains(table, _settings(table)).dropna(subset=["gain_low", "gain_high"])
    return dict(zip(gains["run_id"], zip(gains["gain_low"], gains["gain_high"], strict=True), strict=True))


def _settings(table: pd.DataFrame) -> list[str]:
    """The settings that bear on fine-tunes: one is not calibrated."""
    return [
        str(name)
        for name in table.columns[: table.columns.get_loc("training_kind")]
        if name != "quantization" and not str(name).startswith("quantization.calibration.")
    ]


def _gains(table: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    finished = table[table["status"] == "FINISHED"]
    qat = finished[finished["training_kind"] == "qat"]
    found = qat[list(settings)].copy()
    found["qat_int8"] = qat["mean_iou"]
    found["run_id"] = qat["run_id"]
    for label, kind, quantization in _COMPARED:
        others = finished[(finished["training_kind"] == kind) & (finished["quantization"] == quantization)]
        found = _beside(found, others, settings, label)
    found["gain"] = found["qat_int8"] - found["finetune int8"]
    logged = table.attrs.get("gain_mean_iou", {})
    # Several controls of one variant differ in their calibration: the interval is against one of them.
    ends = [
        logged[run][:2] if run in logged and logged[run][2] == control else (np.nan, np.nan)
        for run, control in zip(found["run_id"], found["finetune int8 run"], strict=True)
    ]
    found["gain_low"], found["gain_high"] = zip(*ends, strict=True) if ends else ((), ())
    return found.reset_index(drop=True)


def _beside(found: pd.DataFrame, others: pd.DataFrame, settings: Sequence[str], label: str) -> pd.DataFrame:
    """`found` with the mean IoU of the row of `others` of the same settings, and its run."""
    # What none of them uses, as a fine-tune's epochs, does not tell them apart.
    used = [name for name in settings if others[name].notna().any() or found[name].isna().all()]
    columns = others[[*used, "mean_iou", "run_id"]].drop_duplicates(used)
    columns = columns.rename(columns={"mean_iou": label, "run_id": f"{label} run"})
    if not used or not len(others):
        return found.assign(**{label: np.nan, f"{label} run": None})
    return found.merge(columns, how="left", on=used)
