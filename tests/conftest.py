"""What all tests share: a folder of their own, and a quiet TensorFlow."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
if "SEGSWEEP_TESTS_CACHE" not in os.environ:
    # What the program keeps between processes is kept for these tests alone, and shared by their processes.
    os.environ["SEGSWEEP_TESTS_CACHE"] = os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="segsweep-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, where no environment variable chooses the store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shared_data() -> Path:
    """Real data beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data beside the checkout is absent")
    return SHARED_DATA


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Untrained weights are the same in every run, whichever tests this process ran before."""
    if "tf_keras" in sys.modules:
        sys.modules["tf_keras"].utils.set_random_seed(0)
