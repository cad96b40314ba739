"""What XLA needs to compile a step: a gradient of nearest-neighbour upsampling that it knows."""

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import tensorflow as tf
import tf_keras as keras

from segsweep.errors import ConfigError

T = TypeVar("T")


@contextmanager
def compilable(model: keras.Model) -> Iterator[None]:
    """Steps traced meanwhile hold only what XLA compiles; the values are the same but for rounding."""
    layers = [
        layer
        for layer in model.submodules
        if isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest"
    ]
    for layer in layers:
        layer.call = _upsampling(layer.call, layer.size)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def naming_what_does_not_compile(step: Callable[..., T], model: keras.Model) -> Callable[..., T]:
    """`step`, which XLA compiles when it is first called.

    It raises ConfigError where XLA does not know one of its operations.
    """

    @functools.wraps(step)
    def named(*arguments: tf.Tensor) -> T:
        try:
            return step(*arguments)
        except tf.errors.InvalidArgumentError as error:
            found = re.search(r"unsupported operations .*?XLA_\w+: (\w+)", str(error))
            if found is None:
                raise
            raise ConfigError(
                f"training.xla=true: XLA cannot compile {found[1]} of model={model.name}; set training.xla=false"
            ) from error

    return named


def _upsampling(call: Callable[[tf.Tensor], tf.Tensor], size: tuple[int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    """The same upsampling, whose gradient is the sum over each block of `size` equal pixels."""

    @tf.custom_gradient
    def upsampled(images: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        _, height, width, channels = images.shape

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(tf.reshape(upstream, (-1, height, size[0], width, size[1], channels)), (2, 4))

        return call(images), gradient

    return upsampled
