"""Sweep segmentation models over width, learning rate and quantization, and measure each exported file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.2.0"


def load_comparison(
    tracking_uri: str | None = None, *, sweep: str | None = None, experiment: str = "segsweep"
) -> "pd.DataFrame":
    """The comparison of a sweep: one row a variant, with the columns of `segsweep report --format csv`.

    What the report says beside its table is in `table.attrs`; see :func:`segsweep.report.comparison.comparison`.

    Args:
        tracking_uri: MLflow store; default: the environment's `MLFLOW_TRACKING_URI`, else `sqlite:///mlruns/mlflow.db`.
        sweep: run id of the sweep, or its beginning; default: the one started last.
        experiment: name of the MLflow experiment.

    Raises:
        SegsweepError: there is no such store, experiment or sweep.
    """
    # Whatever imports a part of segsweep imports this file first.
    from segsweep.report.loading import load_comparison as load

    return load(tracking_uri, sweep=sweep, experiment=experiment)
