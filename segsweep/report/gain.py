"""What quantization-aware training gained, and which part of it is due to a teacher."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

_COMPARED = (
    ("int8", "float", "int8"),
    ("finetune float32", "finetune", "float32"),
    ("finetune int8", "finetune", "int8"),
)
"""Column of the result, training kind and variant; fine-tunes without a teacher."""
_TAUGHT = "taught int8"
"""Column with the mean IoU of the control that was taught alike."""
PARTS = ("by_teaching", "by_quantization")
"""Of a gain: columns with the difference in mean IoU; those with the ends of its interval end in `_low` and `_high`."""
DISTILLATION = "quantization.distillation"
_OF_RANGES = "quantization.calibration."


def quantization_aware_gain(table: pd.DataFrame) -> pd.DataFrame:
    """What quantization-aware training gained, for each training that has one.

    Its gain is against the int8 file of a float fine-tune of the same budget: a few more epochs alone may help as
    much, so the difference to the older float training says nothing about quantization.

    Returns:
        The settings, the mean IoUs that are compared, `gain`, and the ends of its 95 % interval `gain_low` and
        `gain_high` over independent groups of test images, NaN where there are too few of them. Where a fine-tune was
        taught (`quantization.distillation`), also `taught int8`, the mean IoU of the int8 file of the float fine-tune
        that was taught alike, and the two parts of the gain, `by_teaching` (from the control to that file) and
        `by_quantization` (from there on), each with the ends of its interval as for `gain`.
    """
    settings = _settings(table)
    labels = [label for label, _, _ in _COMPARED]
    gains = _gains(table, settings)
    found = gains[[*settings, *labels, "qat_int8", "gain", "gain_low", "gain_high"]]
    if not gains[_TAUGHT].notna().any():
        return found
    parts = [f"{part}{end}" for part in PARTS for end in ("", "_low", "_high")]
    return found.assign(**{name: gains[name] for name in (_TAUGHT, *parts)})


def gain_intervals(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """The ends of the 95 % interval of each gain, by run id of the quantization-aware variant, where they are known."""
    gains = _gains(table, _settings(table)).dropna(subset=["gain_low", "gain_high"])
    return dict(zip(gains["run_id"], zip(gains["gain_low"], gains["gain_high"], strict=True), strict=True))


def _settings(table: pd.DataFrame) -> list[str]:
    """The settings that bear on fine-tunes. In stores of versions before 0.3 none began at calibrated ranges."""
    of_qat = table[table["training_kind"] == "qat"]
    return [
        str(name)
        for name in table.columns[: table.columns.get_loc("training_kind")]
        if name != "quantization" and (not str(name).startswith(_OF_RANGES) or of_qat[name].notna().any())
    ]


def _gains(table: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    finished = table[table["status"] == "FINISHED"]
    qat = finished[finished["training_kind"] == "qat"]
    found = qat[list(settings)].copy()
    found["qat_int8"] = qat["mean_iou"]
    found["run_id"] = qat["run_id"]
    # Where no two fine-tunes differ in it, there is no column, and no teacher or no control.
    weights = finished[DISTILLATION] if DISTILLATION in table else pd.Series(0.0, finished.index)
    is_taught = pd.to_numeric(weights).fillna(0) > 0
    of_all = [name for name in settings if name != DISTILLATION]
    for label, kind, quantization in _COMPARED:
        others = finished[(finished["training_kind"] == kind) & (finished["quantization"] == quantization)]
        found = _beside(found, others[~is_taught[others.index]], of_all, label)
    controls = (finished["training_kind"] == "finetune") & (finished["quantization"] == "int8")
    found = _beside(found, finished[controls & is_taught], settings, _TAUGHT)
    found["gain"] = found["qat_int8"] - found["finetune int8"]
    found["by_teaching"] = found[_TAUGHT] - found["finetune int8"]
    found["by_quantization"] = found["qat_int8"] - found[_TAUGHT]
    for name, attribute, run, control in (
        ("gain", "gain_mean_iou", "run_id", "finetune int8 run"),
        ("by_teaching", "gain_mean_iou", f"{_TAUGHT} run", "finetune int8 run"),
        ("by_quantization", "taught_gain_mean_iou", "run_id", f"{_TAUGHT} run"),
    ):
        logged = table.attrs.get(attribute, {})
        # Several controls may stand beside one variant: the interval is against one of them.
        ends = [
            logged[of][:2] if of in logged and logged[of][2] == against else (np.nan, np.nan)
            for of, against in zip(found[run], found[control], strict=True)
        ]
        found[f"{name}_low"], found[f"{name}_high"] = zip(*ends, strict=True) if ends else ((), ())
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
