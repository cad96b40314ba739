"""Small inputs as people bring them, made by `../shared/cases/generate.py`, which stands beside the checkout."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

GENERATOR = Path(__file__).resolve().parents[2] / "shared" / "cases" / "generate.py"


def made(case: str, root: Path) -> Path:
    """The folder of a case, made afresh in `root`; the test is skipped where the generator is absent."""
    if not GENERATOR.is_file():
        pytest.skip("the cases beside the checkout are absent")
    _generator().CASES[case](root / case)
    return root / case


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated_cases", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
