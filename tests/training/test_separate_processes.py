import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_training

from segsweep.models.table import build_model
from segsweep.training.checkpoint import load
from segsweep.training.trainer import fit

READS_AN_EPOCH = 3


def start(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, tiny_training.__file__, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )


def weights(path: Path) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    # Within the third epoch: batches are read ahead, but not those of the next epoch.
    killed = start(tmp_path / "killed.npz", tmp_path / "state.npz", 2 * READS_AN_EPOCH + 2)
    whole = start(tmp_path / "whole.npz", tmp_path / "other.npz")
    assert killed.wait() == -9
    assert not (tmp_path / "killed.npz").exists()
    assert load(tmp_path / "state.npz", "tiny").epoch == 2
    resumed = start(tmp_path / "resumed.npz", tmp_path / "state.npz")
    assert whole.communicate()[0].split()[-1] == "None"
    assert resumed.communicate()[0].split()[-1] == "2"

    model = build_model(tiny_training.MODEL, (*tiny_training.SIZE, 3), 2, seed=5)
    fit(
        model,
        tiny_training.dataset(),
        training=tiny_training.TRAINING,
        loss=tiny_training.LOSS,
        size=tiny_training.SIZE,
        seed=5,
    )
    for here, one, two in zip(
        model.get_weights(), weights(tmp_path / "whole.npz"), weights(tmp_path / "resumed.npz"), strict=True
    ):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, here)
