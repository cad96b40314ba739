"""How TensorFlow is set up in a process. Imports it only when asked to."""

import ctypes
import gc
import os
import sys

ENVIRONMENT = {
    # Keras 3 is then not loaded, which saves some 2 s of the import.
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class ThreadsError(RuntimeError):
    """TensorFlow already runs in this process with another number of threads, which cannot be changed any more."""


def load_tensorflow() -> None:
    """Import TensorFlow, which takes seconds, without setting anything that could not be changed later."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "tensorflow" in sys.modules:
        return
    import tensorflow  # noqa: F401

    # The million objects of the library stay for good: collections look at what came later alone.
    gc.collect()
    gc.freeze()


def configure(threads: int) -> None:
    """Import TensorFlow with `threads` threads and deterministic operations; call it before any model is built.

    Calling it again with the same number does nothing. Raises :class:`ThreadsError` where TensorFlow already computed
    something with another number: the training then needs a fresh process.
    """
    load_tensorflow()
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError as error:
        running = tf.config.threading.get_intra_op_parallelism_threads()
        raise ThreadsError(
            f"training.threads={threads}, but TensorFlow already runs with {running or 'all'} threads in this process"
        ) from error
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        # On a GPU the gradient of nearest-neighbour resizing has no deterministic kernel and would be refused.
        tf.config.experimental.enable_op_determinism()


def has_other_threads(threads: int) -> bool:
    """Whether TensorFlow already computes in this process with a number of threads other than `threads`."""
    if "tensorflow" not in sys.modules:
        return False
    import tensorflow as tf

    try:
        # Refused once TensorFlow has computed something with another number, which may be all threads (0) as well.
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        return True
    return False


def clear_session() -> None:
    """Forget all models of this process; Keras otherwise keeps what it knows of them as long as the process lives."""
    import tf_keras as keras

    keras.backend.clear_session()
    gc.collect()
    # What is left are libraries that came late.
    gc.freeze()
    # What conversion took from the system stays with the process otherwise, and the next job takes more. Of glibc.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
