"""A small trained U-Net as a problem, and the store of a small sweep."""

import sys
from pathlib import Path

import numpy as np
import pytest
from swept_folder import swept_folder

sys.path.insert(0, str(Path(__file__).parents[1]))


@pytest.fixture(scope="session")
def one_thread():
    """TensorFlow as the jobs have it that other tests run in this process."""
    from segsweep.training.runtime import configure

    configure(1)


@pytest.fixture(scope="session")
def problem(one_thread):
    """12 images (32, 32, 4) of 3 classes, the last rows and columns not counted."""
    import small_unet

    from segsweep.candidates.problem import Problem
    from segsweep.data.dataset import IGNORE
    from segsweep.tflite.interpreter import TFLiteModel

    images, labels = small_unet.blobs(12, seed=5)
    labels = labels.copy()
    labels[:, -2:] = IGNORE
    float_model = small_unet.float_file("nearest")
    return Problem(
        float_model=float_model,
        calibration=small_unet.calibration("nearest"),
        images=images,
        labels=labels,
        reference=TFLiteModel(float_model).predict(np.ascontiguousarray(images)),
        classes=small_unet.CLASSES,
        groups=np.arange(12),
        metadata=None,
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with a finished float training, its float32 and its int8."""
    from trained_store import JOB

    return swept_folder(
        tmp_path_factory.mktemp("candidates"), *JOB, "quantization=float32,int8", "quantization.correction=none"
    )


@pytest.fixture
def inside(trained, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(trained)
    return trained
