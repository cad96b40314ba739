"""Asking `segsweep predict` of pictures, and what is expected of it."""

import csv
from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest

from segsweep.cli import main


def picture(height: int = 50, width: int = 70, seed: int = 0) -> np.ndarray:
    return handmade.noise(height, width, 3, seed).astype(np.uint8)


def expected_ids(image: np.ndarray, bands: int = 3, seed: int = 0) -> np.ndarray:
    return handmade.pixelwise_shares(image, bands, seed=seed).argmax(axis=-1)


def predict(*words: str) -> int:
    return main(["predict", *words])


def complaint(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that wrong input gets; nothing is left behind."""
    before = sorted(Path.cwd().rglob("*"))
    assert predict(*words) == 2
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1, err
    assert lines[0].startswith("segsweep: error: ")
    assert not out
    assert sorted(Path.cwd().rglob("*")) == before
    return lines[0]


def areas(path: str = "out/areas.csv") -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
