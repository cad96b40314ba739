"""The files that pretrained encoders come from: found, downloaded once, told apart. Imports no TensorFlow."""

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from segsweep.config.model_schema import EncoderModelConfig
from segsweep.config.schema import ModelConfig
from segsweep.errors import ConfigError, reason_of
from segsweep.models.encoders import ENCODERS, IMAGENET
from segsweep.quiet import quiet

_HDF5 = b"\x89HDF\r\n\x1a\n"


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
    """Raise ConfigError where the weights file that the config names is missing or of another kind."""
    path = weights_file(config)
    if path is None or _is_imagenet(config):
        return
    setting = f"model.weights={path}"
    if not path.is_file():
        raise ConfigError(f"{setting} is not there; give the path of a weights file, {IMAGENET}, or null")
    with path.open("rb") as file:
        if file.read(len(_HDF5)) != _HDF5:
            raise ConfigError(f"{setting} is no HDF5 file; give what Keras's save_weights('NAME.h5') writes")


def weights_settings(config: ModelConfig, rgb: Sequence[int]) -> dict[str, Any]:
    """All of a model's settings that bear on its weights: of a file its content and not its path, and with one which
    bands are red, green and blue."""
    settings = asdict(config)
    path = weights_file(config)
    if path is not None:
        settings["rgb"] = list(rgb)
    if path is not None and not _is_imagenet(config):
        check_weights(config)
        settings["weights"] = _sha256(path, path.stat().st_mtime_ns)
    return settings


def fetch_weights(configs: Iterable[ModelConfig]) -> None:
    """Download those of Keras's weights files that the models need and that are not there yet.

    Raises ConfigError where one cannot be had.
    """
    missing = {
        path: config
        for config in configs
        if _is_imagenet(config) and (path := weights_file(config)) is not None and not path.is_file()
    }
    for path, config in missing.items():
        assert isinstance(config, EncoderModelConfig)
        encoder = ENCODERS[config.encoder]
        address = encoder.folder + path.name
        print(f"segsweep: downloading {address}", file=sys.stderr)
        try:
            with quiet(Path(os.devnull)):
                import_module("tf_keras").utils.get_file(
                    path.name,
                    address,
                    file_hash=encoder.hashes[config.alpha],
                    cache_dir=str(path.parents[1]),
                    cache_subdir=path.parent.name,
                )
        except Exception as error:
            raise ConfigError(
                f"model.weights={IMAGENET}: {address} cannot be downloaded ({reason_of(error)}); put the file into "
                f"{path.parent}, or give model.weights=PATH of a weights file, or model.weights=null"
            ) from error


def _is_imagenet(config: ModelConfig) -> bool:
    return isinstance(config, EncoderModelConfig) and config.weights == IMAGENET


@lru_cache(maxsize=64)
def _sha256(path: Path, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
