"""What several seeds say: means, spreads, and whether a difference is larger than what another seed changes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from segsweep.report.gain import quantization_aware_gain

_LEVEL = 0.95
_SCORES = ("accuracy", "mean_iou")


def seed_summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row for the rows of a comparison that are equal in all settings but `seed`; unfinished ones are left out.

    Returns:
        The settings without `seed`, `training_kind`, and

        - `n_seeds`, on how many seeds the row rests;
        - `accuracy_mean`, `accuracy_std`, `mean_iou_mean`, `mean_iou_std`: the sample standard deviation is NaN of one;
        - `delta_mean_iou_mean`, `_std`, `_low`, `_high`: of the difference to the baseline of the same seed, with the
          ends of the 95 % interval of its mean (Student's t); NaN of a single seed, and 0 for the baseline itself;
        - `p_value`: of the paired t-test of variant and baseline over the seeds (Student, 1908), two-sided;
        - `p_corrected`: the same after Holm (1979), for all the tests of the table;
        - `gain_mean_iou_mean`, `_std`, `_low`, `_high`, `gain_p_value`, `gain_p_corrected`: the same of what
          quantization-aware training gained against the int8 file of its control.
    """
    finished = table[table["status"] == "FINISHED"]
    settings = [str(name) for name in table.columns[: table.columns.get_loc("training_kind")] if name != "seed"]
    keys = [*settings, "training_kind"]
    groups = finished.groupby(keys, sort=False, dropna=False)
    found = groups.size().rename("n_seeds").reset_index()
    for score in _SCORES:
        found[f"{score}_mean"] = groups[score].mean().to_numpy()
        found[f"{score}_std"] = groups[score].std().to_numpy()
    found = _with_differences(found, finished, keys, "delta_mean_iou", "p_")
    baseline = (found["quantization"] == "float32") & (found["training_kind"] == "float")
    found.loc[baseline, "p_value"] = np.nan
    found["p_corrected"] = holm(found["p_value"])
    return _with_gain(found, table, settings)


def _with_differences(
    found: pd.DataFrame, rows: pd.DataFrame, keys: Sequence[str], column: str, prefix: str
) -> pd.DataFrame:
    """`found` with mean, spread, interval and test of a column over the seeds of each group."""
    groups = rows.groupby(list(keys), sort=False, dropna=False)[column]
    mean, std, count = (values.to_numpy(float) for values in (groups.mean(), groups.std(), groups.count()))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = std / np.sqrt(count)
        half = stdtrit(count - 1, (1 + _LEVEL) / 2) * error
        statistic = np.abs(mean) / error
        # What is equal for every seed differs from 0 for certain, unless it is 0.
        p_value = np.where((std == 0) & (mean == 0), 1.0, 2 * stdtr(count - 1, -statistic))
    enough = count > 1
    columns = {
        f"{column}_mean": mean,
        f"{column}_std": std,
        f"{column}_low": np.where(enough, mean - half, np.nan),
        f"{column}_high": np.where(enough, mean + half, np.nan),
        f"{prefix}value": np.where(enough, p_value, np.nan),
    }
    return found.assign(**columns)


def _with_gain(found: pd.DataFrame, table: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    gain = quantization_aware_gain(table).rename(columns={"gain": "gain_mean_iou"})
    columns = [f"gain_mean_iou_{what}" for what in ("mean", "std", "low", "high")]
    if not len(gain):
        return found.assign(**dict.fromkeys([*columns, "gain_p_value", "gain_p_corrected"], np.nan))
    keys = [name for name in settings if name in gain]
    gains = gain.groupby(keys, sort=False, dropna=False).size().reset_index()[keys]
    gains = _with_differences(gains, gain, keys, "gain_mean_iou", "gain_p_")
    gains["gain_p_corrected"] = holm(gains["gain_p_value"])
    return found.merge(gains.assign(training_kind="qat"), how="left", on=[*keys, "training_kind"])


def holm(p_values: pd.Series) -> pd.Series:
    """P-values corrected so that among all of them, any false alarm at all keeps its probability; NaN stay NaN.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    known = p_values.dropna().sort_values()
    steps = np.maximum.accumulate(known.to_numpy() * np.arange(len(known), 0, -1))
    return pd.Series(np.minimum(steps, 1.0), index=known.index).reindex(p_values.index)
