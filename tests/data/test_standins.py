"""Generated stand-ins: in the real format, whole, and worth learning from."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_laplace, uniform_filter
from sklearn.ensemble import RandomForestClassifier

from segsweep.config.data_schema import ImageFolderConfig, NpzConfig, OxfordPetsConfig, PatchConfig, VocConfig
from segsweep.data import standins
from segsweep.data.dataset import IGNORE
from segsweep.data.sources import load_dataset, remarks

PALETTE = {"building": "#3C1098", "land": "#8429F6", "road": "#6EC1E4", "water": "#E2A929", "unlabeled": "#9B9B9B"}
CONFIGS = {
    "aerial": ImageFolderConfig(
        standin=True,
        images="*/images/*.jpg",
        masks="*/masks/*.png",
        palette=PALETTE,
        ignore=["unlabeled"],
        groups=r"Tile \d+",
        patch=PatchConfig(size=64),
    ),
    "deepglobe": ImageFolderConfig(
        standin=True, images="train/*_sat.jpg", masks="train/*_mask.png", unlabelled="valid/*_sat.jpg", palette=PALETTE
    ),
    "ids": ImageFolderConfig(standin=True, classes=["sky", "road", "tree", "car"], ignore_label=11),
    "geotiff": ImageFolderConfig(
        standin=True, images="*.tif", masks="masks/*.tif", classes=["field", "forest", "town"], bands=list("abcde")
    ),
    "oxford_pets": OxfordPetsConfig(standin=True, size=[96, 96]),
    "voc": VocConfig(standin=True, target="foreground", size=[96, 96]),
    "npz": NpzConfig(standin=True, classes=["other", "cultivated"]),
}


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def features(split, images):
    """What a pixel and its surroundings look like, and the label, of some pixels that count."""
    pixels, labels = split.read(np.arange(min(images, len(split))))
    pixels = pixels[..., :5].astype(np.float32) / pixels.max()
    channels = np.moveaxis(pixels, -1, 0)
    found = []
    for size in (3, 9):
        mean = uniform_filter(channels, (0, 0, size, size))
        found += [*mean, *(uniform_filter(channels**2, (0, 0, size, size)) - mean**2)]
    found += [uniform_filter(np.abs(gaussian_laplace(channels[1], (0, s, s))), (0, 7, 7)) for s in (0.7, 1.5, 2.5)]
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(labels.ravel() != IGNORE))[:8_000]
    return np.stack(found, axis=-1).reshape(-1, len(found))[chosen], labels.ravel()[chosen]


def test_a_small_classifier_beats_the_commonest_class_on_other_scenes(config):
    dataset = load_dataset(config)
    classifier = RandomForestClassifier(20, max_depth=14, random_state=0, n_jobs=1).fit(*features(dataset.train, 40))
    inputs, truth = features(dataset.test, 40)
    accuracy = (classifier.predict(inputs) == truth).mean()
    commonest = np.bincount(truth).max() / len(truth)
    # Parcels are told apart by the directions of textures, which these features do not hold.
    assert accuracy > commonest + (0.05 if config.name == "npz" else 0.4 * (1 - commonest))


def test_it_says_what_it_is(config):
    dataset = load_dataset(config)
    assert dataset.standin
    assert dataset.name == config.name
    assert "generated stand-in" in remarks(dataset)[0]


def test_each_class_is_in_training_and_test(config):
    dataset = load_dataset(config)
    for split in (dataset.train, dataset.test):
        labels = split.read(np.arange(len(split)))[1]
        assert set(np.unique(labels)) - {IGNORE} == set(range(len(dataset.classes)))


def test_names_are_those_of_the_real_data():
    root = load_dataset(CONFIGS["aerial"]).train.pairs[0].image.parents[2]
    assert (root / "Tile 1/images/image_part_001.jpg").is_file()
    assert Image.open(root / "Tile 1/masks/image_part_001.png").mode == "RGB"
    dataset = load_dataset(CONFIGS["deepglobe"])
    assert all(pair.image.name.endswith("_sat.jpg") for pair in dataset.train.pairs)
    assert len(dataset.unlabelled) == 6
    voc = load_dataset(CONFIGS["voc"]).train.pairs[0].mask
    mask = Image.open(voc)
    assert mask.mode == "P"
    assert {0, 255} < set(np.unique(np.asarray(mask)))
    assert mask.getpalette()[3:6] == [128, 0, 0]


def test_colours_are_not_exact_where_that_is_allowed():
    exact = {"water": "#0000FF", "barren": "#FFFFFF", "unknown": "#000000"}
    dataset = load_dataset(ImageFolderConfig(standin=True, palette=exact, palette_tolerance=127))
    mask = np.asarray(Image.open(dataset.train.pairs[0].mask))
    assert 0 < ((mask > 0) & (mask < 255)).any(axis=-1).mean() < 0.05
    labels = dataset.train.read(np.flatnonzero(dataset.train.source == dataset.train.source[0]))[1][0]
    mask = np.asarray(Image.open(dataset.train.pairs[dataset.train.source[0]].mask)) >= 128
    np.testing.assert_array_equal(labels, np.where(mask[..., 0], 1, np.where(mask[..., 2], 0, 2)))


def test_several_at_once_write_it_once(tmp_path, monkeypatch):
    monkeypatch.setattr(standins, "cache_folder", lambda name: tmp_path / name)
    writes = []
    original = standins.WRITERS["oxford_pets"]
    barrier = threading.Barrier(4)

    def counted(config, root):
        writes.append(root)
        original(config, root)

    def ask(_):
        barrier.wait()
        return standins.with_standin(CONFIGS["oxford_pets"]).root

    monkeypatch.setitem(standins.WRITERS, "oxford_pets", counted)
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, range(4)))) == len(writes) == 1


def test_what_was_interrupted_is_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(standins, "cache_folder", lambda name: tmp_path / name)

    def stopped(config, root):
        (root / "images").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setitem(standins.WRITERS, "oxford_pets", stopped)
        with pytest.raises(KeyboardInterrupt):
            standins.with_standin(CONFIGS["oxford_pets"])
    assert not list((tmp_path / "standins").glob("*/"))
    assert len(load_dataset(standins.with_standin(CONFIGS["oxford_pets"])).test) == 16


def test_what_nobody_used_for_long_is_removed_when_another_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(standins, "cache_folder", lambda name: tmp_path / name)
    config = ImageFolderConfig(standin=True, classes=["sky", "road"], size=[32, 32])
    first = Path(standins.with_standin(config).root)
    old = [tmp_path / "standins" / name for name in ("voc-of-an-earlier-version", "unused-since")]
    for path in (first, *old):
        path.mkdir(exist_ok=True)
        os.utime(path, (0, 0))
    assert Path(standins.with_standin(config).root) == first  # which is a use
    standins.with_standin(ImageFolderConfig(standin=True, classes=["sky", "road", "car"], size=[32, 32]))
    assert first.is_dir()
    assert not any(path.exists() for path in old)
