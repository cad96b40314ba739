"""The files that pretrained encoders come from: found, downloaded once, told apart. Imports no TensorFlow."""

import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
from filelock import FileLock

from segsweep.config.model_schema import EncoderModelConfig, unused_model_settings
from segsweep.config.schema import ModelConfig
from segsweep.errors import ConfigError, reason_of
from segsweep.models.encoders import ENCODERS, IMAGENET
from segsweep.quiet import quiet


def weights_file(config: ModelConfig) -> Path | None:
    """The file that the encoder starts from, be it there or not; None where it starts from random weights."""
    if not isinstance(config, EncoderModelConfig) or config.weights is None:
        return None
    if config.weights != IMAGENET:
        return Path(config.weights).expanduser()
    encoder = ENCODERS[config.encoder]
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return folder / "models" / encoder.file.format(alpha=float(config.alpha))


def check_weights(config: ModelConfig) -> None:
    """Raise ConfigError where the weights file that the config names is missing, or plainly of another model."""
    path = weights_file(config)
    if path is None or _is_imagenet(config):
        return
    setting = f"model.weights={path}"
    if not path.is_file():
        raise ConfigError(
            f"{setting} is not there (on {platform.node()}); give the path of a weights file, {IMAGENET}, or null"
        )
    if not h5py.is_hdf5(path):
        raise ConfigError(f"{setting} is no HDF5 file; give what Keras's save_weights('NAME.h5') writes")
    assert isinstance(config, EncoderModelConfig)
    encoder = ENCODERS[config.encoder]
    right = "give what Keras's save_weights('NAME.h5') writes of that model without its top"
    try:
        blocks, parameters = _content(path, encoder.block, path.stat().st_mtime_ns)
    except (OSError, LookupError, AttributeError) as error:
        raise ConfigError(f"{setting} cannot be read ({reason_of(error)}); {right}") from error
    if len(blocks) != encoder.blocks:
        raise ConfigError(
            f"{setting} has layers of {len(blocks)} of the {encoder.blocks} blocks of {encoder.application}; {right}"
        )
    expected = encoder.parameters.get(config.alpha, parameters)
    if parameters != expected:
        fitting = next((alpha for alpha, each in encoder.parameters.items() if each == parameters), None)
        remedy = right if fitting is None else f"set model.alpha={fitting:g}"
        model = f"{encoder.application} of alpha {config.alpha:g}" if encoder.has_alpha else encoder.application
        raise ConfigError(f"{setting} holds {parameters} weights in its blocks where {model} has {expected}; {remedy}")


@lru_cache(maxsize=64)
def _content(path: Path, block: str, modified: int) -> tuple[frozenset[str], int]:
    """The blocks that the layers in a weights file belong to, and how many weights they have in all; `block` finds a
    layer's in its name."""
    blocks, parameters = set(), 0
    with h5py.File(path) as file:
        layers = file.get("model_weights", file)
        for name in _words(layers, "layer_names"):
            match = re.match(block, name)
            if match:
                blocks.add(next(group for group in match.groups() if group))
                parameters += sum(layers[name][weight].size for weight in _words(layers[name], "weight_names"))
    return frozenset(blocks), parameters


def _words(group: h5py.Group, attribute: str) -> list[str]:
    return [word if isinstance(word, str) else word.decode() for word in group.attrs.get(attribute, [])]


def weights_settings(config: ModelConfig, rgb: Sequence[int]) -> dict[str, Any]:
    """All of a model's settings that bear on its weights: of a file its content and not its path, and with one which
    bands are red, green and blue."""
    settings = {name: value for name, value in asdict(config).items() if name not in unused_model_settings(config)}
    path = weights_file(config)
    if path is not None:
        settings["rgb"] = list(rgb)
    if path is not None and not _is_imagenet(config):
        check_weights(config)
        settings["weights"] = _sha256(path, path.stat().st_mtime_ns)
    return settings


def fetch_weights(configs: Iterable[ModelConfig]) -> None:
    """Download those of Keras's weights files that the models need and that are not there whole, each by one process.

    Raises ConfigError where one cannot be had.
    """
    for path, config in {weights_file(config): config for config in configs if _is_imagenet(config)}.items():
        assert path is not None
        assert isinstance(config, EncoderModelConfig)
        md5 = ENCODERS[config.encoder].hashes[config.alpha]
        if _is_there(path, md5):
            continue
        address = ENCODERS[config.encoder].folder + path.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if not _is_there(path, md5):
                    _download(address, path, md5)
        except Exception as error:
            damaged = f"{path} is damaged, or not the file that Keras publishes, and " if path.is_file() else ""
            raise ConfigError(
                f"model.weights={IMAGENET}: {damaged}{address} cannot be downloaded ({reason_of(error)}); put the file "
                f"into {path.parent}, or give model.weights=PATH of a weights file, or model.weights=null"
            ) from error


def _is_there(path: Path, md5: str | None) -> bool:
    return path.is_file() and _is_whole(path, md5, path.stat().st_mtime_ns)


def _download(address: str, path: Path, md5: str | None) -> None:
    """Download a file; under its name it is seen when it is whole, in the place of a damaged one."""
    why = f" ({path} is damaged, or not the file that Keras publishes)" if path.is_file() else ""
    print(f"segsweep: downloading {address}{why}", file=sys.stderr)
    part = path.with_name(f"{path.name}.part")
    # What a killed process left would be taken for the file.
    part.unlink(missing_ok=True)
    with quiet(Path(os.devnull)):
        import_module("tf_keras").utils.get_file(
            part.name, address, file_hash=md5, cache_dir=str(path.parents[1]), cache_subdir=path.parent.name
        )
    if not _is_whole(part, md5, part.stat().st_mtime_ns):
        part.unlink()
        raise OSError("what came is damaged")
    part.replace(path)


@lru_cache(maxsize=64)
def _is_whole(path: Path, md5: str | None, modified: int) -> bool:
    """Whether a file is what it was when it was published; where no MD5 was, whether HDF5 finds its end."""
    if md5 is not None:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == md5
    try:
        with h5py.File(path):
            return True
    except OSError:
        return False


def _is_imagenet(config: ModelConfig) -> bool:
    return isinstance(config, EncoderModelConfig) and config.weights == IMAGENET


@lru_cache(maxsize=64)
def _sha256(path: Path, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
