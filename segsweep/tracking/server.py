"""The MLflow UI on a store."""

import contextlib
import os
import sqlite3
import subprocess
import sys

from segsweep.processes import end_children
from segsweep.tracking.location import StoreLocation


def serve_ui(location: StoreLocation, port: int, experiment: str) -> int:
    """Serve until interrupted, bound to the loopback address; return the server's exit status.

    Says the address of the runs of `experiment`.
    """
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", location.uri, "--workers", "1"),
    ]
    if location.database is not None:
        command += ["--default-artifact-root", (location.database.parent / "artifacts").as_uri()]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    page = _page(location, experiment)
    print(f"MLflow UI on http://127.0.0.1:{port}{page} (Ctrl-C ends it)", flush=True)
    try:
        return subprocess.call(command, env=environment)
    finally:
        # The server has workers of its own, which would keep the port.
        end_children()


def _page(location: StoreLocation, experiment: str) -> str:
    """Where in the UI the runs of an experiment are; empty where that would take more than a look into a file.

    Without it the UI begins with a view for language models, which shows neither descriptions nor charts.
    """
    if location.database is None:
        return ""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(location.database)) as connection:
        query = "SELECT experiment_id FROM experiments WHERE name = ?"
        found = connection.execute(query, (experiment,)).fetchone()
        if found is not None:
            return f"/#/experiments/{int(found[0])}/runs?workflowType=machine_learning"
    return ""
