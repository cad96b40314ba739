"""What tests of predictions start from."""

from pathlib import Path

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
