"""What `mlflow.pyfunc.load_model` of a variant's run gives: images as they come, class ids out.

MLflow finds this module by its name in the artifact `model/MLmodel`. It needs neither TensorFlow nor the data set.
"""

from pathlib import Path
from typing import Any

import numpy as np

from segsweep.data.batches import pad
from segsweep.data.dataset import Normalization
from segsweep.data.histogram import Histogram
from segsweep.errors import ModelError
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata, read


class PyFuncModel:
    """An exported file with what its metadata say about images."""

    def __init__(self, model: bytes):
        """Raises ModelError where `model` is no `.tflite` file with metadata."""
        metadata = read(model)
        if metadata is None:
            raise ModelError("the .tflite file has no metadata: how its images are normalized is not known")
        self.metadata: Metadata = metadata
        self._model = TFLiteModel(model)
        table = np.array(metadata.histogram_table, np.float32) if metadata.histogram_table else None
        self._histogram = None if metadata.histogram == "none" else Histogram(metadata.histogram, table)
        self._normalization = Normalization(np.array(metadata.mean, np.float32), np.array(metadata.std, np.float32))

    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Class ids (N, H, W) uint8 of images (N, H, W, C) of any numbers, in the units of the training data; (N, 1, 1)
        where whole images have a class.

        Smaller images than the model takes are padded as they were when it was scored. Raises ModelError for other
        shapes. `params` is MLflow's and does nothing.
        """
        images = np.asarray(images)
        height, width, channels = self._model.input_shape
        if images.ndim != 4 or images.shape[3] != channels or images.shape[1] > height or images.shape[2] > width:
            raise ModelError(
                f"the model takes images (N, H, W, {channels}) of at most {height} x {width} pixels; given is an array "
                f"of shape {images.shape}"
            )
        # One after the other: a copy of all in float32 might not fit.
        ids = [self._predict(image) for image in images]
        if not ids:
            by_pixel = self._model.output_size == (height, width)
            return np.empty(images.shape[:3] if by_pixel else (0, *self._model.output_size), np.uint8)
        return np.stack(ids)

    def _predict(self, image: np.ndarray) -> np.ndarray:
        """Class ids of one image (H, W, C)."""
        prepared = image if self._histogram is None else self._histogram.apply(image)
        padded, _ = pad(prepared[np.newaxis], np.zeros((1, 1, 1), np.uint8), self._model.input_shape[:2])
        return self._model.predict(self._normalization.apply(padded))[0, : image.shape[0], : image.shape[1]]


def _load_pyfunc(path: str) -> PyFuncModel:
    """Called by MLflow with the file that `model/MLmodel` names as its data."""
    return PyFuncModel(Path(path).read_bytes())
