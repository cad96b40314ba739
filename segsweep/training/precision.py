"""Mixed precision: computing in float16 with weights in float32 (Micikevicius et al. 2018, arXiv:1710.03740)."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras as keras

from segsweep.errors import ConfigError


@contextmanager
def building(mixed: bool) -> Iterator[None]:
    """Models built meanwhile compute in float16, where `mixed`; their weights are float32 all the same."""
    before = keras.mixed_precision.global_policy()
    if mixed:
        keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def require_gpu() -> None:
    """Refuse mixed precision where it would only be slower.

    Raises ConfigError where this process has no GPU.
    """
    if not tf.config.list_physical_devices("GPU"):
        raise ConfigError(
            "training.mixed_precision=true needs an NVIDIA GPU, and TensorFlow finds none on this machine; "
            "set it to false, or install segsweep[gpu] where there is one"
        )
