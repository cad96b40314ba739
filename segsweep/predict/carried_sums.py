"""What one strip of a scene leaves unfinished for the next."""

import tempfile
from pathlib import Path

import numpy as np


class CarriedSums:
    """Unfinished sums at the right end of a strip, in a file: there are as many as the scene has rows."""

    def __init__(self, folder: Path, planes: int, width: int):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._planes, self.width = planes, width

    def write(self, top: int, sums: np.ndarray) -> None:
        """Sums (P, h, w) of rows from `top` on."""
        self._file.seek(top * self._planes * self.width * 4)
        self._file.write(np.ascontiguousarray(sums.transpose(1, 0, 2)).data)

    def read(self, top: int, rows: int) -> np.ndarray:
        """What was written of these rows."""
        size = self._planes * self.width * 4
        self._file.seek(top * size)
        sums = np.frombuffer(self._file.read(rows * size), np.float32)
        return sums.reshape(rows, self._planes, self.width).transpose(1, 0, 2)
