"""What the models are built of."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
from tf_keras import layers

from segsweep.errors import ConfigError

BATCH_NORM_MOMENTUM = 0.9
"""Keras's 0.99 needs some 500 steps to forget its start; a small training has 6 steps an epoch."""


@dataclass(frozen=True)
class Style:
    """How the convolutions of a model are made."""

    batch_norm: bool = True
    """A batch norm behind each."""
    separable: bool = False
    """A depthwise and a 1x1 convolution in the place of each that is larger than 1x1."""
    residual: bool = False
    """Pairs of convolutions are added to their input (He et al. 2015, https://arxiv.org/abs/1512.03385)."""


PLAIN = Style()


def convolution(
    x: tf.Tensor,
    filters: int,
    name: str,
    style: Style = PLAIN,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    relu: bool = True,
) -> tf.Tensor:
    """Convolution, batch norm, ReLU; the layers are called `name` with `_conv`, `_bn` and `_relu`."""
    settings = {"strides": stride, "padding": "same", "dilation_rate": dilation, "use_bias": not style.batch_norm}
    if style.separable and kernel > 1:
        layer = layers.SeparableConv2D(
            filters,
            kernel,
            depthwise_initializer="he_normal",
            pointwise_initializer="he_normal",
            name=f"{name}_conv",
            **settings,
        )
    else:
        layer = layers.Conv2D(filters, kernel, kernel_initializer="he_normal", name=f"{name}_conv", **settings)
    x = layer(x)
    if style.batch_norm:
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def double_convolution(x: tf.Tensor, filters: int, name: str, style: Style) -> tf.Tensor:
    """Two 3x3 convolutions; in the residual style their sum with the input, brought to `filters` channels."""
    if not style.residual:
        return convolution(convolution(x, filters, f"{name}_1", style), filters, f"{name}_2", style)
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = convolution(x, filters, f"{name}_shortcut", style, kernel=1, relu=False)
    x = convolution(convolution(x, filters, f"{name}_1", style), filters, f"{name}_2", style, relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, shortcut]))


def upsampling(kind: str, filters: int, name: str) -> layers.Layer:
    """A layer that doubles the resolution; one that learns gives `filters` channels, the others change none."""
    if kind not in UPSAMPLINGS:
        raise ConfigError(f"model.upsampling={kind} is unknown; there are {', '.join(sorted(UPSAMPLINGS))}")
    return UPSAMPLINGS[kind](filters, name)


def up_convolution(x: tf.Tensor, kind: str, filters: int, name: str, style: Style) -> tf.Tensor:
    """Double the resolution and bring to `filters` channels: a transposed convolution, or resizing and a 3x3 one."""
    x = upsampling(kind, filters, name)(x)
    return x if kind == "transposed" else convolution(x, filters, name, style)


UPSAMPLINGS: dict[str, Callable[[int, str], layers.Layer]] = {
    "nearest": lambda _, name: layers.UpSampling2D(2, interpolation="nearest", name=name),
    "bilinear": lambda _, name: layers.UpSampling2D(2, interpolation="bilinear", name=name),
    "transposed": lambda filters, name: layers.Conv2DTranspose(filters, 2, strides=2, name=name),
}
"""From name to a layer that doubles the resolution, given the channels of the level and the layer's name."""
