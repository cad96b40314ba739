"""A Keras model where an exported file is expected: the same evaluator scores both."""

import numpy as np
import tf_keras as keras


class KerasPredictor:
    """Class ids of a network that gives logits."""

    def __init__(self, model: keras.Model):
        self._model = model

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        _, height, width, channels = self._model.input_shape
        return height, width, channels

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class ids (N, H, W) uint8 of normalized images (N, H, W, C) float32; the first of equal ones wins."""
        logits = self._model(images, training=False)
        return np.argmax(logits.numpy(), axis=-1).astype(np.uint8)
