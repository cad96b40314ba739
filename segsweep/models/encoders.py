"""The encoders that Keras's applications offer, and what their pretrained weights expect. Imports no TensorFlow."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from segsweep.config.model_schema import EncoderModelConfig
from segsweep.config.schema import ModelConfig
from segsweep.errors import ConfigError

IMAGENET = "imagenet"
"""`model.weights` for Keras's own files."""

_STORAGE = "https://storage.googleapis.com/"
_APPLICATIONS = f"{_STORAGE}tensorflow/keras-applications/"


@dataclass(frozen=True)
class Scaling:
    """How pixels of 0..255 become what weights were trained with: `(x - mean) / std`, red, green, blue."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of the training images' bands, red, green, blue, as values of 0..1."""

ZERO_CENTRED = Scaling((123.68, 116.779, 103.939), (1.0, 1.0, 1.0))
"""Keras's mode `caffe`, but for the order of the bands."""
MINUS_ONE_TO_ONE = Scaling((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
"""Keras's mode `tf`."""
STANDARDIZED = Scaling((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""Keras's mode `torch`: `IMAGENET_MEAN` and `IMAGENET_STD`, times 255."""


@dataclass(frozen=True)
class Encoder:
    """One of Keras's applications."""

    application: str
    """Its function in `keras.applications`."""
    stride: int
    """How much smaller its last features are than the image."""
    head: str | None
    """Its first layer that only serves classification; None where there is none."""
    block: str
    """Matches the start of its layers' names; what the first group that takes part holds names the block."""
    blocks: int
    """How many of them there are."""
    scaling: Scaling
    """What its pretrained weights expect."""
    file: str
    """Name of Keras's weights file without top; `{alpha}` stands for the multiplier of its channels."""
    folder: str
    """Address of the folder that Keras offers the file in."""
    hashes: Mapping[float, str | None]
    """MD5 of the file (None: not published) by each alpha that there is one for."""
    parameters: Mapping[float, int]
    """How many numbers its blocks have for three bands, statistics of batch norms included, by usual alphas."""
    bgr: bool = False
    """Whether its first kernel expects blue, green, red."""
    has_alpha: bool = False
    """Whether its width can be multiplied."""


_V3_BLOCK = r"(Conv)(?:/|$)|(expanded_conv(?:_\d+)?)/"
_EFFICIENT_BLOCK = r"(stem)_|(block\d+)[a-z]_"


_EFFICIENTNET = ("EfficientNet", 8, f"{_STORAGE}keras-applications/", "efficientnet")
_EFFICIENTNET_V2 = ("EfficientNetV2", 7, f"{_APPLICATIONS}efficientnet_v2/", "efficientnetv2-")
"""Of a family the start of its applications' names, its blocks, and the folder and the start of its files' names."""


def _efficientnet(family: tuple[str, int, str, str], size: str, md5: str, parameters: int) -> Encoder:
    # Files of the first family hold the scaling too, in a Normalization layer, as standard deviations in the place of
    # variances; Keras corrects them by a factor in the graph. Together: `STANDARDIZED`.
    name, blocks, folder, file = family
    return Encoder(
        f"{name}{size.upper()}",
        32,
        "top_conv",
        _EFFICIENT_BLOCK,
        blocks,
        STANDARDIZED,
        f"{file}{size}_notop.h5",
        folder,
        {1.0: md5},
        {1.0: parameters},
    )


def _mobilenet_v3(size: str, blocks: int, hashes: Mapping[float, str], parameters: Mapping[float, int]) -> Encoder:
    return Encoder(
        f"MobileNetV3{size.capitalize()}",
        32,
        "Conv_1",
        _V3_BLOCK,
        blocks,
        MINUS_ONE_TO_ONE,
        f"weights_mobilenet_v3_{size}_224_{{alpha}}_float_no_top_v2.h5",
        f"{_APPLICATIONS}mobilenet_v3/",
        hashes,
        parameters,
        has_alpha=True,
    )


ENCODERS: Mapping[str, Encoder] = {
    "vgg16": Encoder(
        "VGG16",
        16,
        "block5_pool",
        r"(block\d)_",
        5,
        ZERO_CENTRED,
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        f"{_APPLICATIONS}vgg16/",
        {1.0: "6d6bbae143d832006294945121d1f1fc"},
        {1.0: 14_714_688},
        bgr=True,
    ),
    "resnet50": Encoder(
        "ResNet50",
        32,
        None,
        r"(conv\d)_",
        5,
        ZERO_CENTRED,
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        f"{_APPLICATIONS}resnet/",
        {1.0: "4d473c1dd8becc155b73f8504c6f6626"},
        {1.0: 23_587_712},
        bgr=True,
    ),
    "mobilenet_v2": Encoder(
        "MobileNetV2",
        32,
        "Conv_1",
        r"(?:bn_)?(Conv1)$|(expanded_conv)_|(block_\d+)_",
        18,
        MINUS_ONE_TO_ONE,
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
        f"{_APPLICATIONS}mobilenet_v2/",
        dict.fromkeys((0.35, 0.5, 0.75, 1.0, 1.3, 1.4)),
        {0.35: 261_728, 0.5: 496_304, 0.75: 1_069_744, 1.0: 1_843_264, 1.3: 3_067_168, 1.4: 3_553_728},
        has_alpha=True,
    ),
    "mobilenet_v3_small": _mobilenet_v3(
        "small",
        12,
        {0.75: "ebdb5cc8e0b497cd13a7c275d475c819", 1.0: "d3e8ec802a04aa4fc771ee12a9a9b836"},
        {0.35: 125_136, 0.5: 263_808, 0.75: 550_328, 1.0: 881_520},
    ),
    "mobilenet_v3_large": _mobilenet_v3(
        "large",
        16,
        {0.75: "40af19a13ebea4e2ee0c676887f69a2e", 1.0: "07fb09a5933dd0c8eaafa16978110389"},
        {0.35: 408_688, 0.5: 765_512, 0.75: 1_719_456, 1.0: 2_838_912},
    ),
    "efficientnet_b0": _efficientnet(_EFFICIENTNET, "b0", "50bc09e76180e00e4465e1a485ddc09d", 3_634_844),
    "efficientnet_b1": _efficientnet(_EFFICIENTNET, "b1", "74c4e6b3e1f6a1eea24c589628592432", 6_160_512),
    "efficientnet_b2": _efficientnet(_EFFICIENTNET, "b2", "111f8e2ac8aa800a7a99e3239f7bfb39", 7_267_314),
    "efficientnet_b3": _efficientnet(_EFFICIENTNET, "b3", "af6d107764bb5b1abb91932881670226", 10_187_560),
    "efficientnet_v2_b0": _efficientnet(_EFFICIENTNET_V2, "b0", "893217f2bb855e2983157299931e43ff", 5_668_432),
    "efficientnet_v2_b1": _efficientnet(_EFFICIENTNET_V2, "b1", "0e80663031ca32d657f9caa404b6ec37", 6_680_244),
    "efficientnet_v2_b2": _efficientnet(_EFFICIENTNET_V2, "b2", "1dfe2e7a5d45b6632553a8961ea609eb", 8_470_878),
    "efficientnet_v2_b3": _efficientnet(_EFFICIENTNET_V2, "b3", "f6abf7b5849ac99a89b50dd3fd532856", 12_568_126),
}
"""By name: `model.encoder=NAME`."""


def encoder_of(config: ModelConfig) -> Encoder | None:
    """The encoder of a model that has one. Raises ConfigError for an unknown name."""
    if not isinstance(config, EncoderModelConfig):
        return None
    if config.encoder not in ENCODERS:
        raise ConfigError(f"model.encoder={config.encoder} is unknown; there are {', '.join(sorted(ENCODERS))}")
    return ENCODERS[config.encoder]


def frozen_blocks(config: ModelConfig, frozen: str) -> int:
    """How many blocks of the encoder, from the input on, `frozen` means: `none`, `all` or a number.

    0 for a model without encoder. Raises ConfigError for anything else.
    """
    encoder = encoder_of(config)
    if encoder is None or frozen == "none":
        return 0
    if frozen == "all":
        return encoder.blocks
    if not re.fullmatch(r"\d+", frozen) or int(frozen) > encoder.blocks:
        raise ConfigError(
            f"model.frozen={frozen} is not a choice; it must be none, all, or a number of blocks up to the "
            f"{encoder.blocks} that model.encoder={getattr(config, 'encoder', '')} has"
        )
    return int(frozen)


def check_encoder(config: ModelConfig) -> None:
    """Raise ConfigError where the settings of the encoder do not go together."""
    encoder = encoder_of(config)
    if encoder is None:
        return
    assert isinstance(config, EncoderModelConfig)
    frozen_blocks(config, config.frozen)
    if config.alpha != 1 and not encoder.has_alpha:
        raise ConfigError(
            f"model.alpha={config.alpha:g}: model.encoder={config.encoder} has one width only; leave it at 1, or "
            f"choose one of {', '.join(name for name, each in ENCODERS.items() if each.has_alpha)}"
        )
    if config.weights == IMAGENET and config.alpha not in encoder.hashes:
        raise ConfigError(
            f"model.alpha={config.alpha:g}: there are no ImageNet weights of {config.encoder} for it; choose one of "
            f"{', '.join(f'{alpha:g}' for alpha in sorted(encoder.hashes))}, or model.weights=null"
        )
