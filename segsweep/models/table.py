"""The architectures: a name, the module that builds it, and what sizes it takes. Imports no TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from segsweep.config.model_schema import EncoderModelConfig
from segsweep.config.schema import ModelConfig
from segsweep.data.task import CLASSIFICATION, SEGMENTATION, Task
from segsweep.errors import ConfigError
from segsweep.models.encoders import ENCODERS, check_encoder

if TYPE_CHECKING:
    import tf_keras as keras


@dataclass(frozen=True)
class Architecture:
    """How to build one family of models."""

    module: str
    """Module with `build(config, input_shape, classes) -> keras.Model`; imported when a model is built."""
    size_multiple: Callable[[Any], int]
    """What height and width must be multiples of, from the architecture's config."""
    task: Task = SEGMENTATION
    """What it tells of an image."""
    quantization_obstacle: Callable[[Any], str | None] = lambda config: None
    """Why quantization-aware training cannot take the model, from its config; None where it can."""


ARCHITECTURES = {
    "strided_unet": Architecture("segsweep.models.strided_unet", lambda config: 2**config.depth),
    "unet": Architecture("segsweep.models.unet", lambda config: 2**config.depth),
    "pixel_mlp": Architecture("segsweep.models.pixel_mlp", lambda config: 1),
    "backbone_unet": Architecture("segsweep.models.backbone_unet", lambda config: ENCODERS[config.encoder].stride),
    "deeplabv3": Architecture("segsweep.models.deeplabv3", lambda config: config.output_stride),
    "classifier": Architecture(
        "segsweep.models.classifier", lambda config: ENCODERS[config.encoder].stride, CLASSIFICATION
    ),
    "conv_net": Architecture("segsweep.models.conv_net", lambda config: 2**config.depth, CLASSIFICATION),
}


def model_name(config: ModelConfig) -> str:
    """A model's name for people, its encoder's included: `backbone_unet mobilenet_v2`."""
    return f"{config.name} {config.encoder}" if isinstance(config, EncoderModelConfig) else config.name


def size_multiple(config: ModelConfig) -> int:
    """What the height and width of the model's input must be multiples of, in pixels.

    Raises ConfigError for an unknown name, and where the settings of an encoder do not go together.
    """
    architecture = _architecture(config)
    check_encoder(config)
    return architecture.size_multiple(config)


def check_task(config: ModelConfig, task: Task, data: str) -> None:
    """Raise ConfigError where a model tells something else of an image than the labels of the data do."""
    if _architecture(config).task != task:
        fitting = ", ".join(name for name, each in ARCHITECTURES.items() if each.task == task)
        raise ConfigError(
            f"model={config.name} is for {_architecture(config).task.name}, and the labels of data={data} are for "
            f"{task.name}; choose one of {fitting}"
        )


def quantization_obstacle(config: ModelConfig) -> str | None:
    """Why the model cannot be trained quantization-aware, layers named; None where it can."""
    return _architecture(config).quantization_obstacle(config)


def build_model(config: ModelConfig, input_shape: tuple[int, int, int], classes: int, seed: int) -> "keras.Model":
    """A model from images (N, H, W, C) to logits (N, H, W, classes), with initial weights that `seed` determines.

    Logits of whole images are (N, 1, 1, classes).

    Sets the random seeds of Python, NumPy and TensorFlow. Raises ConfigError for an unknown name or a size that the
    model does not take.
    """
    architecture, multiple = _architecture(config), size_multiple(config)
    height, width, _ = input_shape
    if height % multiple or width % multiple:
        raise ConfigError(f"model={config.name} takes sizes that are multiples of {multiple}, not {height}x{width}")
    build = import_module(architecture.module).build
    import_module("tf_keras").utils.set_random_seed(seed)
    # Rewriting the Python of the layers (autograph) takes time, for no effect.
    plain = import_module("tensorflow").autograph.experimental.do_not_convert
    return plain(build)(config, input_shape, classes)


def _architecture(config: ModelConfig) -> Architecture:
    if config.name not in ARCHITECTURES:
        raise ConfigError(f"model={config.name} is unknown; there are {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[config.name]
