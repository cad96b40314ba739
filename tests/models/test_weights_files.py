import hashlib
import importlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from segsweep.config.model_schema import BackboneUnetConfig, UnetConfig
from segsweep.errors import ConfigError
from segsweep.models.encoders import ENCODERS
from segsweep.models.weights_files import check_weights, fetch_weights, weights_file, weights_settings

IMAGENET = BackboneUnetConfig(encoder="vgg16", weights="imagenet")
HDF5 = b"\x89HDF\r\n\x1a\n"
MOBILENET = ("Conv1", "expanded_conv_depthwise", *(f"block_{number}_expand" for number in range(1, 17)))
MOBILENET_PARAMETERS = 1_843_264


def write_weights(
    path: Path, layers: Sequence[str], content: float = 0.0, parameters: int = MOBILENET_PARAMETERS
) -> None:
    """A file as Keras's `save_weights` lays it out, all numbers in the first layer."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name in layers:
            names = [f"{name}/kernel:0".encode()] if name == layers[0] and parameters else []
            file.create_group(name).attrs.create("weight_names", names, dtype=None if names else "S1")
        if parameters:
            # Not written until somebody sets one of its numbers.
            file[layers[0]].create_dataset(
                f"{layers[0]}/kernel:0", (parameters,), "f4", fillvalue=content, chunks=(4096,)
            )


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "models"


@pytest.mark.parametrize(("name", "alpha"), [(name, alpha) for name, each in ENCODERS.items() for alpha in each.hashes])
def test_files_addresses_and_hashes_are_those_of_keras(name, alpha, monkeypatch):
    """Keras itself is asked to download each, and stopped there."""
    from tf_keras.src.utils import data_utils

    asked = []

    def get_file(file, origin, **settings):
        asked.append((file, origin, settings.get("file_hash")))
        raise InterruptedError

    monkeypatch.setattr(data_utils, "get_file", get_file)
    applications = importlib.import_module("tf_keras").applications
    encoder = ENCODERS[name]
    settings = {"alpha": alpha} if encoder.has_alpha else {}
    with pytest.raises(InterruptedError):
        getattr(applications, encoder.application)(include_top=False, input_shape=(224, 224, 3), **settings)
    file = encoder.file.format(alpha=alpha)
    assert asked == [(file, encoder.folder + file, encoder.hashes[alpha])]


def test_imagenet_weights_lie_where_keras_puts_them(keras_home):
    path = weights_file(IMAGENET)
    assert path == keras_home / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert weights_file(BackboneUnetConfig()) is None
    assert weights_file(UnetConfig()) is None


def published(monkeypatch, content: bytes) -> None:
    """Have Keras's file of VGG16 be this."""
    hashes = {1.0: hashlib.md5(content).hexdigest()}
    monkeypatch.setitem(ENCODERS, "vgg16", replace(ENCODERS["vgg16"], hashes=hashes))


def test_what_is_there_is_not_downloaded(keras_home, monkeypatch):
    published(monkeypatch, HDF5)
    keras_home.mkdir()
    (keras_home / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5").write_bytes(HDF5)
    fetch_weights([IMAGENET, UnetConfig(), BackboneUnetConfig()])


def test_a_download_is_seen_when_it_is_whole(keras_home, monkeypatch, capsys):
    import tf_keras as keras

    published(monkeypatch, HDF5)
    path = weights_file(IMAGENET)
    keras_home.mkdir()
    left = path.with_name(path.name + ".part")
    left.write_bytes(b"of a process that was killed")

    def get_file(file, origin, *, cache_dir, cache_subdir, **_):
        target = Path(cache_dir, cache_subdir, file)
        assert target != path
        assert not target.exists()
        target.write_bytes(HDF5[:4])
        assert not path.exists()
        target.write_bytes(HDF5)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    fetch_weights([IMAGENET])
    assert path.read_bytes() == HDF5
    assert not left.exists()
    assert "downloading https://" in capsys.readouterr().err
    monkeypatch.delattr(keras.utils, "get_file")
    fetch_weights([IMAGENET])


def downloads(monkeypatch, content: bytes) -> None:
    """Have Keras download this, whatever it is asked for."""
    import tf_keras as keras

    def get_file(file, origin, *, cache_dir, cache_subdir, **_):
        Path(cache_dir, cache_subdir, file).write_bytes(content)

    monkeypatch.setattr(keras.utils, "get_file", get_file)


@pytest.fixture
def whole(tmp_path) -> bytes:
    """A small file that HDF5 can open."""
    write_weights(tmp_path / "whole.h5", ["block_1"], parameters=0)
    return (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("encoder", ["vgg16", "mobilenet_v2"])  # with a published hash, and without
def test_what_was_cut_short_is_downloaded_anew_and_that_is_said(encoder, keras_home, monkeypatch, capsys, whole):
    published(monkeypatch, whole)
    config = replace(IMAGENET, encoder=encoder)
    path = weights_file(config)
    keras_home.mkdir()
    path.write_bytes(whole[:200])
    downloads(monkeypatch, whole)
    fetch_weights([config])
    assert path.read_bytes() == whole
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"({path} is damaged, or not the file that Keras publishes)" in said
    fetch_weights([config])
    assert not capsys.readouterr().err


@pytest.mark.parametrize("encoder", ["vgg16", "mobilenet_v2"])
def test_what_comes_damaged_does_not_take_the_place_of_anything(encoder, keras_home, monkeypatch, whole):
    config = replace(IMAGENET, encoder=encoder)
    path = weights_file(config)
    keras_home.mkdir()
    path.write_bytes(b"damaged")
    downloads(monkeypatch, whole[:200])
    with pytest.raises(
        ConfigError, match=r"\.h5 is damaged, or .*, and https://.* \(.*what came is damaged\); put the f"
    ):
        fetch_weights([config])
    assert path.read_bytes() == b"damaged"
    assert not list(keras_home.glob("*.part"))


def test_what_cannot_be_downloaded_is_said_in_one_line(keras_home, monkeypatch):
    import tf_keras as keras

    def get_file(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(ConfigError, match=r"vgg16_weights.*\.h5 cannot be downloaded .*no route.*; put the file into"):
        fetch_weights([IMAGENET])


def test_a_file_counts_by_its_content(tmp_path):
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    for path in (first, second):
        write_weights(path, MOBILENET)
    keys = [weights_settings(BackboneUnetConfig(weights=str(path)), (0, 1, 2)) for path in (first, second)]
    assert keys[0] == keys[1]
    write_weights(second, MOBILENET, 1.0)
    os.utime(second, ns=(1, 1))
    assert weights_settings(BackboneUnetConfig(weights=str(second)), (0, 1, 2)) != keys[0]
    # Their first kernel is laid on the bands.
    assert weights_settings(BackboneUnetConfig(weights=str(first)), (2, 1, 0)) != keys[0]


def test_models_without_a_file_have_their_settings_alone():
    """So that the keys of earlier trainings stay."""
    assert weights_settings(UnetConfig(width=4), (0, 1, 2)).keys() == UnetConfig.__dataclass_fields__.keys()


def test_a_missing_file_and_one_of_another_kind(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.weights=.*nowhere\.h5 is not there \(on .+\); give the path"):
        check_weights(BackboneUnetConfig(weights=str(tmp_path / "nowhere.h5")))
    (tmp_path / "text.h5").write_text("weights")
    with pytest.raises(ConfigError, match=r"text\.h5 is no HDF5 file"):
        weights_settings(BackboneUnetConfig(weights=str(tmp_path / "text.h5")), (0, 1, 2))


def test_a_file_of_another_encoder_is_refused_before_anything_is_built(tmp_path):
    write_weights(tmp_path / "mobile.h5", MOBILENET)
    check_weights(BackboneUnetConfig(encoder="mobilenet_v2", weights=str(tmp_path / "mobile.h5")))
    with pytest.raises(ConfigError, match=r"mobile\.h5 has layers of 0 of the 5 blocks of VGG16; give what"):
        check_weights(BackboneUnetConfig(encoder="vgg16", weights=str(tmp_path / "mobile.h5")))
    write_weights(tmp_path / "part.h5", MOBILENET[:9])
    with pytest.raises(ConfigError, match=r"layers of 9 of the 18 blocks of MobileNetV2"):
        check_weights(BackboneUnetConfig(encoder="mobilenet_v2", weights=str(tmp_path / "part.h5")))


def test_a_file_of_another_alpha_or_depth_is_refused_before_anything_is_built(tmp_path):
    path = tmp_path / "mobile.h5"
    write_weights(path, MOBILENET, parameters=261_728)
    config = BackboneUnetConfig(encoder="mobilenet_v2", alpha=0.35, weights=str(path))
    check_weights(config)
    for refused in (check_weights, lambda config: weights_settings(config, (0, 1, 2))):
        with pytest.raises(ConfigError, match=r"261728 weights .* of alpha 0\.5 has 496304; set model\.alpha=0\.35$"):
            refused(replace(config, alpha=0.5))
    # Of other alphas nothing is known beforehand; what does not fit is refused when it is loaded.
    check_weights(replace(config, alpha=0.4))
    # As of EfficientNetB1, whose first layers are those of B0.
    blocks = ("stem_conv", *(f"block{number}a_dwconv" for number in range(1, 8)))
    write_weights(path, blocks, parameters=6_160_512)
    check_weights(replace(config, encoder="efficientnet_b1", alpha=1.0))
    with pytest.raises(ConfigError, match=r"where EfficientNetB0 has 3634844; give what Keras's save_weights"):
        check_weights(replace(config, encoder="efficientnet_b0", alpha=1.0))


def test_a_file_cut_short_is_refused(tmp_path):
    path = tmp_path / "cut.h5"
    write_weights(path, MOBILENET)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match=r"cut\.h5 cannot be read \(.*truncated.*\); give what Keras's save_weights"):
        check_weights(BackboneUnetConfig(encoder="mobilenet_v2", weights=str(path)))


IN_SHORT = {"vgg16": 1.0, "resnet50": 1.0, "mobilenet_v2": 0.35, "mobilenet_v3_small": 0.75, "efficientnet_b0": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "alpha"),
    [
        pytest.param(name, alpha, marks=[] if IN_SHORT.get(name) == alpha else pytest.mark.exhaustive)
        for name, each in ENCODERS.items()
        for alpha in each.parameters
    ],
)
def test_the_weights_of_blocks_are_as_many_as_keras_writes(name, alpha, tmp_path):
    from segsweep.models.encoder_graph import application

    application(ENCODERS[name], alpha, 3).save_weights(tmp_path / "weights.h5")
    check_weights(replace(IMAGENET, encoder=name, alpha=alpha, weights=str(tmp_path / "weights.h5")))
