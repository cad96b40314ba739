"""What the page needs: no more than prediction does, and all of its files in the wheel."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import metadata

from checkout import ROOT

NEEDED = ("ai-edge-litert", "numpy", "pillow")
"""As the README says of prediction."""


def with_what_they_need(names: tuple[str, ...]) -> set[str]:
    """Distributions, and those that they require, extras left out."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            requirement = re.match(r"[\w.-]+", line)
            if "extra ==" not in line and requirement is not None and _is_there(requirement.group()):
                waiting.append(requirement.group())
    return found


def _is_there(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_the_page_needs_what_prediction_needs() -> None:
    modules = ["command", "server", "workplace", "worker", "answers", "uploads"]
    script = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(f'segsweep.demo.{{name}}')\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    known = metadata.packages_distributions()
    loaded = {name for module in done.stdout.split() for name in known.get(module, ())}
    loaded = {name.lower().replace("_", "-") for name in loaded}
    assert set(NEEDED) <= loaded
    assert not loaded - with_what_they_need(NEEDED) - {"segsweep", "setuptools"}


def test_the_server_process_loads_nothing_heavy() -> None:
    script = (
        "import sys, segsweep.demo.command, segsweep.demo.server, segsweep.demo.workplace\n"
        "assert not {'numpy', 'PIL', 'ai_edge_litert'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_its_files_are_in_the_wheel() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folder = ROOT / "segsweep" / "demo"
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("page/*")]
    assert files
    assert all(any(fnmatch(file, pattern) for pattern in patterns["segsweep.demo"]) for file in files)
