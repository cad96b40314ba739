"""The MLflow UI on a store."""

import os
import subprocess
import sys

from segsweep.processes import end_children
from segsweep.tracking.location import StoreLocation


def serve_ui(location: StoreLocation, port: int) -> int:
    """Serve until interrupted, bound to the loopback address; return the server's exit status."""
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", location.uri, "--workers", "1"),
    ]
    if location.database is not None:
        command += ["--default-artifact-root", (location.database.parent / "artifacts").as_uri()]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    print(f"MLflow UI on http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    try:
        return subprocess.call(command, env=environment)
    finally:
        # The server has workers of its own, which would keep the port.
        end_children()
