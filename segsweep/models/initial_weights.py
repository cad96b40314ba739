"""Weights of an earlier training that another one starts from, perhaps at another size of the images."""

import hashlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segsweep.config.model_schema import EncoderModelConfig
from segsweep.config.schema import ModelConfig
from segsweep.errors import ConfigError, reason_of
from segsweep.models.encoders import encoder_of
from segsweep.models.own_layers import SHORTCUT, own_layers

if TYPE_CHECKING:
    import tf_keras as keras

SETTING = "training.initial_weights"
_RIGHT = "give the path of a weights/weights.npz that a float training of the same model logged"
_KERNELS = ("kernel:0", "pointwise_kernel:0")
Shapes = Mapping[str, tuple[int, ...]]
"""Of a file's arrays, by the name of the variable: `enc0_conv/kernel:0`."""


def check_initial_weights(path: str, config: ModelConfig, bands: int, classes: Sequence[str]) -> None:
    """Raise ConfigError where there is no such file, or it plainly holds the weights of another model.

    Only the shapes of the arrays are read, and no model is built; what that does not show, `set_initial_weights` will
    refuse.

    Args:
        path: the file.
        config: of the model that is to start from it.
        bands: of an image.
        classes: their names.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(f"{SETTING}={path} is not there; {_RIGHT}")
    if not zipfile.is_zipfile(file):
        raise ConfigError(f"{SETTING}={path} is no .npz archive; {_RIGHT}")
    try:
        shapes = _shapes(file, file.stat().st_mtime_ns)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{SETTING}={path} cannot be read ({reason_of(error)}); {_RIGHT}") from error
    objection = _objection(shapes, config, bands, classes)
    if objection is not None:
        raise ConfigError(f"{SETTING}={path} {objection}; {_RIGHT}")


def initial_weights_digest(path: str) -> str:
    """Hex sha256 of the file."""
    file = Path(path).expanduser()
    return _sha256(file, file.stat().st_mtime_ns)


def set_initial_weights(model: "keras.Model", path: str) -> None:
    """Give `model` the weights in the file.

    Raises:
        ConfigError: they are of another model.
    """
    try:
        with np.load(Path(path).expanduser(), allow_pickle=False) as arrays:
            weights = {name: arrays[name] for name in sorted(arrays.files)}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{SETTING}={path} cannot be read ({error}); {_RIGHT}") from error
    expected = [(variable.name, tuple(variable.shape)) for variable in model.weights]
    if len(weights) != len(expected):
        raise ConfigError(f"{SETTING}={path} holds {len(weights)} arrays where the model has {len(expected)}; {_RIGHT}")
    for (stored, array), (name, shape) in zip(weights.items(), expected, strict=True):
        if array.shape != shape:
            raise ConfigError(
                f"{SETTING}={path}: {stored} is {array.shape} where the model's {name} is {shape}; {_RIGHT}"
            )
    model.set_weights(list(weights.values()))


@lru_cache(maxsize=16)
def _shapes(path: Path, modified: int) -> Shapes:
    """Read from the headers alone. Raises ValueError where an array is none of a training's weights."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.namelist()):
            match = re.fullmatch(r"\d+ (.+)\.npy", entry)
            if match is None:
                raise ValueError(f"it holds {entry.removesuffix('.npy')[:40]!r}, which is no layer's")
            with archive.open(entry) as content:
                if np.lib.format.read_magic(content) != (1, 0):
                    raise ValueError(f"{entry[:40]!r} is no array of weights")
                shape, _, _ = np.lib.format.read_array_header_1_0(content)
            found[match[1].replace(".", "/")] = tuple(shape)
    return found


def _objection(shapes: Shapes, config: ModelConfig, bands: int, classes: Sequence[str]) -> str | None:
    """What plainly shows that the weights are not of the model; None where nothing does."""
    kernels = {name.rpartition("/")[0]: shape for name, shape in shapes.items() if name.endswith(_KERNELS)}
    if "logits" not in kernels:
        return "holds no layer that makes logits, as all models here have"
    first = next(iter(kernels.values()))
    if len(first) != 4 or len(kernels["logits"]) != 4:
        return "holds no convolutions at its ends, as all models here have"
    encoder = encoder_of(config)
    encoded = {name: shape for name, shape in shapes.items() if encoder and re.match(encoder.block, _layer(name))}
    of_encoder = {_layer(name) for name in encoded}
    own = {name: shape for name, shape in shapes.items() if _layer(name) not in of_encoder}
    return (
        _encoder_objection(encoded, config)
        or _layers_objection(own, config)
        or _bands_objection(first[2], bands)
        or _classes_objection(kernels["logits"][3], classes)
    )


def _layer(name: str) -> str:
    return name.rpartition("/")[0]


def _encoder_objection(shapes: Shapes, config: ModelConfig) -> str | None:
    encoder = encoder_of(config)
    if encoder is None:
        return None
    assert isinstance(config, EncoderModelConfig)
    matches = [re.match(encoder.block, _layer(name)) for name in shapes]
    blocks = {next(group for group in match.groups() if group) for match in matches if match}
    if len(blocks) != encoder.blocks:
        return f"holds {len(blocks)} of the {encoder.blocks} blocks of model.encoder={config.encoder}"
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    # The table is of three bands; of the first kernel, each band has as much.
    first = next(iter(shapes.values()))
    parameters = sum(sizes) + (3 - first[2]) * sizes[0] // first[2]
    expected = encoder.parameters.get(config.alpha, parameters)
    if parameters != expected:
        alpha = f" of alpha {config.alpha:g}" if encoder.has_alpha else ""
        return f"holds {parameters} weights in its encoder where {config.encoder}{alpha} has {expected}"
    return None


def _layers_objection(shapes: Shapes, config: ModelConfig) -> str | None:
    """`shapes` are those of the model's own layers."""
    expected = own_layers(config)
    if expected is None:
        return None
    found = {_layer(name): _channels(name, shape) for name, shape in shapes.items() if name.endswith(_KERNELS)}
    plain = {layer: width for layer, width in found.items() if layer != "logits" and not layer.endswith(SHORTCUT)}
    for layer in [*expected.channels, *plain]:
        if layer not in plain:
            return f"is of another model: it lacks the layer {layer} of model={config.name} with these settings"
        if layer not in expected.channels:
            return f"is of another model: it has a layer {layer}, unlike model={config.name} with these settings"
    for layer, width in expected.channels.items():
        if plain[layer] != width:
            return f"has {plain[layer]} channels in {layer}, which has {width} with model.width={config.width}"
    styles = {
        "batch norms": (any(_layer(name).endswith("_bn") for name in shapes), expected.batch_norm),
        "separable convolutions": (any(name.endswith("pointwise_kernel:0") for name in shapes), expected.separable),
        "residual pairs": (any(layer.endswith(SHORTCUT) for layer in found), expected.residual),
    }
    for words, (is_there, is_wanted) in styles.items():
        if is_there != is_wanted:
            has, other = ("has", "has none") if is_there else ("has no", "has some")
            return f"{has} {words}, and model={config.name} {other} with these settings"
    return None


def _channels(name: str, shape: tuple[int, ...]) -> int:
    """Output channels of a kernel; those of a transposed convolution stand before its input's."""
    return shape[-2 if _layer(name).endswith("_up") else -1]


def _bands_objection(found: int, bands: int) -> str | None:
    return None if found == bands else f"is for images of {found} bands, and the data has {bands}"


def _classes_objection(found: int, classes: Sequence[str]) -> str | None:
    return None if found == len(classes) else f"is for {found} classes, and the data has {len(classes)}"


@lru_cache(maxsize=16)
def _sha256(path: Path, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
