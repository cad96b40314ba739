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

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the class ids; (1, 1) where the whole image has one."""
        _, height, width, _ = self._model.output_shape
        return height, width

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, H, W, K) float32 of normalized images (N, H, W, C) float32."""
        return self._model(images, training=False).numpy()

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class ids (N, H, W) uint8 of normalized images (N, H, W, C) float32; the first of equal ones wins."""
        return np.argmax(self.logits(images), axis=-1).astype(np.uint8)
