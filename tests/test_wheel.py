"""The wheel: what it holds, and that it runs outside the checkout with nothing but its declared dependencies."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT, tracked_files

# An install of everything that TensorFlow and MLflow bring, then a first job.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TINY_JOB = [
    "data.size=16",
    "data.train_images=4",
    "data.validation_images=2",
    "data.test_images=2",
    "training.epochs=1",
    "model.width=2",
    "model.depth=1",
]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, with no trace of the environment that the tests run in."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "SEGSWEEP", "MLFLOW")) and name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    return subprocess.run(list(map(str, command)), cwd=cwd, env=inherited, capture_output=True, text=True)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder that goes when the tests are done: the environment in it takes gigabytes."""
    with tempfile.TemporaryDirectory(prefix="segsweep-wheel-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def wheel(scratch: Path) -> Path:
    """The wheel of what git tracks or would track, built away from the checkout."""
    source = scratch / "source"
    for path in tracked_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    # A source archive first, and the wheel from it: both must be whole.
    built = run(sys.executable, "-m", "build", "--outdir", scratch / "dist", source, cwd=scratch)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (scratch / "dist").glob("segsweep-*.whl")
    return path


def test_source_archive_can_be_built_from(wheel: Path) -> None:
    (archive,) = wheel.parent.glob("segsweep-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "conf/config.yaml"} <= names


def test_wheel_holds_package_settings_and_license(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "segsweep").rglob("*.py")}
    plugins = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hydra_plugins").rglob("*.py")}
    settings = {f"segsweep/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "segsweep").rglob("templates/*")}
    assert settings
    assert templates
    assert modules | plugins | settings | templates <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    # Nothing of the checkout slips in at the top of site-packages, where it would shadow other people's packages.
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} <= {"segsweep", "hydra_plugins"}
    assert "hydra_plugins/__init__.py" not in names


def test_installed_wheel_runs_a_job_from_an_empty_folder(wheel: Path, scratch: Path) -> None:
    environment = scratch / "environment"
    made = run(sys.executable, "-m", "venv", environment, cwd=scratch)
    assert made.returncode == 0, made.stdout + made.stderr
    python = environment / "bin" / "python"
    installed = run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel, cwd=scratch)
    assert installed.returncode == 0, installed.stdout + installed.stderr

    empty = scratch / "empty"
    empty.mkdir()
    job = run(environment / "bin" / "segsweep", "run", *TINY_JOB, cwd=empty)
    assert job.returncode == 0, job.stdout + job.stderr
    assert (empty / "mlruns" / "mlflow.db").is_file()
    assert {path.name for path in empty.iterdir()} == {"mlruns"}
