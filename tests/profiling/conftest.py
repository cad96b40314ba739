"""Makes `tests/small_unet.py` and the models made by hand importable."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "predict")]
