"""Gives a new model what its encoder was trained for."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import tf_keras as keras

from segsweep.config.model_schema import EncoderModelConfig
from segsweep.config.schema import ModelConfig
from segsweep.errors import ConfigError, reason_of
from segsweep.models.encoder_graph import application
from segsweep.models.encoders import Encoder, encoder_of
from segsweep.models.freezing import encoder_blocks, freeze
from segsweep.models.input_scaling import is_colour
from segsweep.models.weights_files import check_weights, fetch_weights, weights_file


def start(model: keras.Model, config: ModelConfig, rgb: Sequence[int]) -> None:
    """Load the weights and freeze the blocks that the config of a new model names; nothing without encoder.

    `rgb` says which bands of the image are red, green and blue. Raises ConfigError where the file is missing here (on
    another host than the sweep's, say) and cannot be had, or is not one of the encoder's weights.
    """
    encoder, path = encoder_of(config), weights_file(config)
    if encoder is None:
        return
    assert isinstance(config, EncoderModelConfig)
    if path is not None:
        check_weights(config)
        fetch_weights([config])
        trained = _trained(encoder, config, path)
        kernel_seen = False
        for layer, _ in encoder_blocks(model, config):
            weights = trained.get_layer(layer.name).get_weights() if layer.weights else []
            if weights and not kernel_seen:
                weights[0] = first_kernel(weights[0], model.input_shape[-1], rgb, bgr=encoder.bgr)
                kernel_seen = True
            if weights:
                layer.set_weights(weights)
    freeze(model, config, config.frozen)


def first_kernel(kernel: np.ndarray, channels: int, rgb: Sequence[int], *, bgr: bool) -> np.ndarray:
    """A kernel (height, width, `channels`, filters) of one for three colours.

    Of three bands each gets its colour's part, and a single one the sum of all three. Any other number get the three
    parts in turn, times 3 / `channels`: their sum stays, but for what the parts that come once more differ from the
    others (as in https://github.com/qubvel-org/segmentation_models.pytorch, `patch_first_conv`).
    """
    kernel = kernel[:, :, ::-1] if bgr else kernel
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    if is_colour(channels, rgb):
        return kernel[:, :, np.argsort(rgb)]
    return kernel[:, :, np.arange(channels) % 3] * (3 / channels)


def _trained(encoder: Encoder, config: EncoderModelConfig, path: Path) -> keras.Model:
    """Keras's own model with the weights of the file."""
    model = application(encoder, config.alpha, 3)
    weighted = {layer.name for layer in model.layers if layer.weights}
    try:
        with h5py.File(path) as file:
            group = file.get("model_weights", file)
            names = {name if isinstance(name, str) else name.decode() for name in group.attrs.get("layer_names", [])}
        # Some of Keras's own files have other names for the layers, and the same order.
        model.load_weights(path, **({"by_name": True} if weighted <= names else {}))
    except Exception as error:
        raise ConfigError(
            f"model.weights={config.weights} holds no weights of {encoder.application} without top"
            f"{f' and alpha {config.alpha:g}' if encoder.has_alpha else ''} ({reason_of(error)})"
        ) from error
    return model
