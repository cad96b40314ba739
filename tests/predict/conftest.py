"""What tests of predictions start from."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import handmade_models as handmade
import pytest
from PIL import Image
from predicting import picture


@pytest.fixture
def folder(workplace: Path) -> Path:
    """Where there are models of 3 and 4 bands, and a picture."""
    Path("rgb.tflite").write_bytes(handmade.pixelwise(3, dtype="uint8"))
    Path("four.tflite").write_bytes(handmade.pixelwise(4))
    Image.fromarray(picture()).save("photo.png")
    return workplace


@pytest.fixture
def shared_case() -> Callable[[str, Path], None]:
    """Makes one of the cases beside the checkout in a folder."""
    path = Path(__file__).resolve().parents[3] / "shared" / "cases" / "generate.py"
    if not path.is_file():
        pytest.skip("the cases beside the checkout are absent")
    made: dict[str, Any] = runpy.run_path(str(path))
    return lambda name, folder: made["CASES"][name](folder)
