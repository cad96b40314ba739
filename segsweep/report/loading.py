"""The comparison of a sweep for notebooks and scripts."""

import os

import pandas as pd

from segsweep.command_line import DEFAULT_EXPERIMENT, DEFAULT_TRACKING_URI
from segsweep.report.comparison import comparison, find_sweep
from segsweep.tracking.store import Store


def load_comparison(
    tracking_uri: str | None = None, *, sweep: str | None = None, experiment: str = DEFAULT_EXPERIMENT
) -> pd.DataFrame:
    """See :func:`segsweep.load_comparison`."""
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    store = Store.open_to_read(uri, experiment)
    return comparison(store, find_sweep(store, sweep))
