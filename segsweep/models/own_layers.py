"""What layers a model has besides its encoder's, and how wide they are, from its settings alone. Imports no TensorFlow.

Told here again, and not asked of the builders, since building a model takes TensorFlow; a test holds that both agree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from segsweep.config.model_schema import (
    BackboneUnetConfig,
    ClassifierConfig,
    ConvNetConfig,
    Deeplabv3Config,
    PixelMlpConfig,
    UnetConfig,
)
from segsweep.config.schema import ModelConfig, StridedUnetConfig
from segsweep.models.encoders import ENCODERS

SHORTCUT = "_shortcut_conv"
"""How the layers end that bring the input of a residual pair to its width; which pairs need one is not told here."""


@dataclass(frozen=True)
class OwnLayers:
    """The layers of a model that have a kernel, its encoder's left out."""

    channels: Mapping[str, int]
    """Output channels by the layer's name; without `logits` and the `SHORTCUT` layers."""
    batch_norm: bool = True
    separable: bool = False
    residual: bool = False
    """As in :class:`segsweep.models.blocks.Style`."""


def own_layers(config: ModelConfig) -> OwnLayers | None:
    """Those of the model; None where this file does not know it."""
    return _LAYERS[config.name](config) if config.name in _LAYERS else None


def _pair(name: str, filters: int) -> dict[str, int]:
    return {f"{name}_1_conv": filters, f"{name}_2_conv": filters}


def _up(kind: str, name: str, filters: int) -> dict[str, int]:
    return {f"{name}_up" if kind == "transposed" else f"{name}_up_conv": filters}


def _strided_unet(config: StridedUnetConfig) -> OwnLayers:
    widths = [config.width * 2**level for level in range(config.depth + 1)]
    found = {"enc0_conv": widths[0]}
    for level in range(1, config.depth + 1):
        found |= {f"enc{level}_down_conv": widths[level], f"enc{level}_conv": widths[level]}
    for level in range(config.depth):
        found |= {f"dec{level}_conv": widths[level]}
        if config.upsampling == "transposed":
            found |= {f"dec{level}_up": widths[level]}
    return OwnLayers(found)


def _unet(config: UnetConfig) -> OwnLayers:
    widths = [config.width * 2**level for level in range(config.depth + 1)]
    found: dict[str, int] = {}
    for level, width in enumerate(widths):
        found |= _pair(f"enc{level}", width)
    for level, width in enumerate(widths[:-1]):
        found |= _up(config.upsampling, f"dec{level}", width) | _pair(f"dec{level}", width)
    return OwnLayers(found, config.batch_norm, config.separable, config.residual)


def _pixel_mlp(config: PixelMlpConfig) -> OwnLayers:
    return OwnLayers({f"hidden{level}_conv": config.width for level in range(config.depth)}, config.depth > 0)


def _backbone_unet(config: BackboneUnetConfig) -> OwnLayers:
    found: dict[str, int] = {}
    for level in range(ENCODERS[config.encoder].stride.bit_length() - 1):
        width = config.width * 2**level
        found |= _up(config.upsampling, f"dec{level}", width) | _pair(f"dec{level}", width)
    return OwnLayers(found, separable=config.separable, residual=config.residual)


def _deeplabv3(config: Deeplabv3Config) -> OwnLayers:
    names = ("aspp0", "aspp1", "aspp2", "aspp3", "aspp_pool", "aspp")
    return OwnLayers({f"{name}_conv": config.width for name in names}, separable=config.separable)


def _classifier(config: ClassifierConfig) -> OwnLayers:
    return OwnLayers({"hidden_conv": config.width})


def _conv_net(config: ConvNetConfig) -> OwnLayers:
    found = {"stem_conv": config.width}
    for level in range(config.depth + 1):
        found |= _pair(f"level{level}", config.width * 2**level)
    return OwnLayers(found, config.batch_norm, config.separable, config.residual)


_LAYERS: Mapping[str, Callable[[Any], OwnLayers]] = {
    "strided_unet": _strided_unet,
    "unet": _unet,
    "pixel_mlp": _pixel_mlp,
    "backbone_unet": _backbone_unet,
    "deeplabv3": _deeplabv3,
    "classifier": _classifier,
    "conv_net": _conv_net,
}
