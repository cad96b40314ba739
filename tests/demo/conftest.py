"""Models for the page, made by hand: those of the tests of prediction, and classifiers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "predict"))
