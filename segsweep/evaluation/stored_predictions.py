"""The class ids that a predictor gave, as they are kept: written whole, read again some images at a time."""

import io
import zipfile

import numpy as np


def stored(predictions: np.ndarray) -> bytes:
    """A compressed NumPy archive of class ids (N, H, W) uint8."""
    content = io.BytesIO()
    np.savez_compressed(content, classes=predictions)
    return content.getvalue()


class StoredPredictions:
    """Predictions of an earlier evaluation, of which no more is unpacked than is asked for."""

    def __init__(self, content: bytes):
        """`content` is what `stored` made."""
        self._file = zipfile.ZipFile(io.BytesIO(content)).open("classes.npy")  # noqa: SIM115 - it is only memory
        np.lib.format.read_magic(self._file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(self._file)
        assert dtype == np.uint8
        self._image_shape = shape[1:]

    def next(self, images: int) -> np.ndarray:
        """Class ids (`images`, H, W) uint8 of the images that follow; fewer at the end."""
        content = self._file.read(images * int(np.prod(self._image_shape)))
        return np.frombuffer(content, np.uint8).reshape(-1, *self._image_shape)
