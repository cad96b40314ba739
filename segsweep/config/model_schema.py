"""What can be configured about the models beyond :class:`segsweep.config.schema.StridedUnetConfig`."""

from dataclasses import dataclass

from segsweep.config.schema import ModelConfig


@dataclass
class UnetConfig(ModelConfig):
    """The classic U-Net: double convolutions, max pooling, skip connections."""

    name: str = "unet"
    width: int = 16
    """Channels of the first level (64 in the publication); deeper levels double it; at least 1."""
    depth: int = 4
    """Number of times the resolution is halved; 1 to 7."""
    upsampling: str = "transposed"
    """How the resolution is doubled: `transposed` (a learned 2x2 convolution), or `nearest` or `bilinear` resizing
    followed by a 3x3 convolution."""
    batch_norm: bool = True
    """Batch norms after the convolutions."""
    separable: bool = False
    """3x3 convolutions are split into a depthwise and a 1x1 one, but for the first."""
    residual: bool = False
    """Each pair of convolutions is added to its input."""


@dataclass
class PixelMlpConfig(ModelConfig):
    """A class for each pixel from its own bands alone: 1x1 convolutions, each with a batch norm and a ReLU."""

    name: str = "pixel_mlp"
    width: int = 32
    """Channels of each hidden layer; at least 1; without effect where `depth` is 0."""
    depth: int = 2
    """Number of hidden layers; 0 to 7. With 0 the model is a linear classifier of pixels."""


@dataclass
class EncoderModelConfig(ModelConfig):
    """Settings of the models on an encoder of Keras's applications."""

    encoder: str = "mobilenet_v2"
    """`vgg16`, `resnet50`, `mobilenet_v2`, `mobilenet_v3_small`, `mobilenet_v3_large`, `efficientnet_b0` to `_b3` or
    `efficientnet_v2_b0` to `_b3`."""
    weights: str | None = None
    """What the encoder starts from: `null` (random), `imagenet` (Keras's file, downloaded once), or the path of a
    weights file of that encoder without its top, as Keras's `save_weights('NAME.h5')` writes it."""
    alpha: float = 1.0
    """Multiplier of the encoder's channels; > 0; other than 1 for the MobileNets alone."""
    frozen: str = "none"
    """How much of the encoder keeps its weights: `none`, `all`, or a number of blocks, counted from the input; batch
    norms in it keep their statistics. Fine-tunes after the float training train all."""
    separable: bool = False
    """3x3 convolutions behind the encoder are split into a depthwise and a 1x1 one."""


@dataclass
class BackboneUnetConfig(EncoderModelConfig):
    """A U-Net whose way down is an encoder of Keras's applications."""

    name: str = "backbone_unet"
    width: int = 16
    """Channels of the decoder at full resolution; each level below doubles it; at least 1. The encoder has its own."""
    upsampling: str = "nearest"
    """How the resolution is doubled: `transposed` (a learned 2x2 convolution), or `nearest` or `bilinear` resizing
    followed by a 3x3 convolution."""
    residual: bool = False
    """Each pair of convolutions of the decoder is added to its input."""


@dataclass
class ClassifierConfig(EncoderModelConfig):
    """One class for the whole image: an encoder, the mean of its last features, and a hidden layer."""

    name: str = "classifier"
    encoder: str = "vgg16"
    width: int = 256
    """Channels of the hidden layer; at least 1. The encoder has its own."""
    dropout: float = 0.0
    """Share of the hidden layer's channels that are left out in each step of the training; 0 <= d < 1."""


@dataclass
class ConvNetConfig(ModelConfig):
    """One class for the whole image: pairs of convolutions with max pooling between them, and the mean of the last."""

    name: str = "conv_net"
    width: int = 32
    """Channels of the first level; deeper levels double it; at least 1."""
    depth: int = 3
    """Number of times the resolution is halved; 1 to 7."""
    batch_norm: bool = True
    """Batch norms after the convolutions."""
    separable: bool = True
    """3x3 convolutions are split into a depthwise and a 1x1 one, but for the first."""
    residual: bool = True
    """Each pair of convolutions is added to its input."""
    dropout: float = 0.2
    """Share of the features that are left out behind each level, in each step of the training; 0 <= d < 1."""


@dataclass
class Deeplabv3Config(EncoderModelConfig):
    """DeepLabV3: an encoder with dilated convolutions, and pooling in a pyramid of them."""

    name: str = "deeplabv3"
    encoder: str = "resnet50"
    width: int = 64
    """Channels of each branch of the pyramid (256 in the publication); at least 1. The encoder has its own."""
    output_stride: int = 16
    """How much smaller the encoder's last features are than the image: 8 or 16."""


def unused_model_settings(config: ModelConfig) -> tuple[str, ...]:
    """Names of the settings of a model that mean nothing with its others."""
    return ("width",) if isinstance(config, PixelMlpConfig) and config.depth == 0 else ()
