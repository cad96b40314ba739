"""What a new model starts from, where its file must be fetched first: on another host than the sweep's, for one."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

from segsweep.config.model_schema import BackboneUnetConfig
from segsweep.errors import ConfigError
from segsweep.models.pretrained import start
from segsweep.models.table import build_model
from segsweep.models.weights_files import weights_file

CONFIG = BackboneUnetConfig(encoder="mobilenet_v2", alpha=0.35, width=1, weights="imagenet")
LAYERS = ("Conv1", "block_3_depthwise", "block_16_project")


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


def test_a_file_that_is_not_there_is_fetched_and_loaded(empty_home, monkeypatch):
    keras.utils.set_random_seed(7)
    original = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35)
    original.save_weights(empty_home / "published.h5")
    asked = []

    def get_file(file, origin, *, cache_dir, cache_subdir, **_):
        asked.append(origin)
        Path(cache_dir, cache_subdir, file).write_bytes((empty_home / "published.h5").read_bytes())

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    for _ in range(2):
        model = build_model(CONFIG, (32, 32, 3), 2, seed=0)
        start(model, CONFIG, (0, 1, 2))
        for name in LAYERS:
            np.testing.assert_array_equal(
                model.get_layer(name).get_weights()[0], original.get_layer(name).get_weights()[0]
            )
    assert [Path(address).name for address in asked] == [weights_file(CONFIG).name]


def test_a_fetch_that_fails_is_said_in_one_line(empty_home, monkeypatch):
    def get_file(*_, **__):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    model = build_model(CONFIG, (32, 32, 3), 2, seed=0)
    with pytest.raises(ConfigError, match=r"no_top\.h5 cannot be downloaded \(.*no route to host.*\); put") as found:
        start(model, CONFIG, (0, 1, 2))
    assert "\n" not in str(found.value)
