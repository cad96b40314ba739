import numpy as np
import pytest

from segsweep.config.model_schema import ConvNetConfig
from segsweep.errors import ConfigError
from segsweep.models.initial_weights import check_initial_weights, initial_weights_digest, set_initial_weights
from segsweep.models.table import build_model
from segsweep.runs.training_run import _weights_file

SMALL = ConvNetConfig(width=2, depth=1)


def saved(path, config=SMALL, seed=0):
    model = build_model(config, (16, 16, 3), 3, seed=seed)
    path.write_bytes(_weights_file(model))
    return model


def test_a_model_for_larger_images_starts_from_them(tmp_path):
    small = saved(tmp_path / "weights.npz")
    large = build_model(SMALL, (32, 24, 3), 3, seed=1)
    set_initial_weights(large, str(tmp_path / "weights.npz"))
    for one, other in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_another_model_are_refused(tmp_path):
    path = str(tmp_path / "weights.npz")
    saved(tmp_path / "weights.npz", ConvNetConfig(width=4, depth=1))
    with pytest.raises(ConfigError, match=r"stem_conv.kernel:0 is \(3, 3, 3, 4\) where the model's stem_conv/kernel:0"):
        set_initial_weights(build_model(SMALL, (16, 16, 3), 3, seed=0), path)
    with pytest.raises(ConfigError, match="arrays where the model has"):
        set_initial_weights(build_model(ConvNetConfig(width=4, depth=2), (16, 16, 3), 3, seed=0), path)


def test_files_that_are_none_are_refused_up_front(tmp_path):
    with pytest.raises(ConfigError, match=r"training\.initial_weights=nowhere\.npz is not there; give the path"):
        check_initial_weights("nowhere.npz")
    (tmp_path / "text.npz").write_text("no weights")
    with pytest.raises(ConfigError, match=r"is no \.npz archive"):
        check_initial_weights(str(tmp_path / "text.npz"))


def test_the_content_counts_and_not_the_path(tmp_path):
    for name, seed in (("a.npz", 0), ("b.npz", 0), ("c.npz", 1)):
        saved(tmp_path / name, seed=seed)
    a, b, c = (initial_weights_digest(str(tmp_path / f"{name}.npz")) for name in "abc")
    assert a == b != c
