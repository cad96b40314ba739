"""What `auto` becomes in the augmentation, for each experiment and each kind of data, and the keys that come of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from PIL import Image
from small_jobs import dataset, job

from segsweep.config.data_schema import ClassFoldersConfig, ImageFolderConfig, NpzConfig
from segsweep.config.job_config import parameters, to_job_config
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import AugmentationConfig, TrainingConfig
from segsweep.data.sources import load_dataset
from segsweep.data.view import NADIR, NOTE, PICTURES, UPRIGHT
from segsweep.lineage.jobs import lineage
from segsweep.sweep.points import Point, data_remarks

EVERYTHING = (True, True)
"""Flips and turns."""
LEFT_AND_RIGHT = ("horizontal", False)
EXPERIMENTS = {
    "aerial_landcover": EVERYTHING,
    "camvid": LEFT_AND_RIGHT,
    "cifar100_scratch": LEFT_AND_RIGHT,
    "cifar100_vgg16": LEFT_AND_RIGHT,
    "deepglobe_landcover": EVERYTHING,
    "pets_mobilenetv2": LEFT_AND_RIGHT,
    "quickstart": EVERYTHING,
    "sentinel2_cultivated": EVERYTHING,
    "voc_foreground": LEFT_AND_RIGHT,
}
WITHOUT_DOWNLOADS = ("model.weights=null", "model.frozen=none")


def composed(*words: str) -> JobConfig:
    from hydra_plugins.segsweep_sweeper.segsweep_sweeper import register

    register()
    with initialize_config_module(config_module="segsweep.conf", version_base="1.3"):
        return to_job_config(compose("config", overrides=list(words)))


def chosen(config: JobConfig, data) -> tuple[object, object]:
    """Flips and turns of all trainings of a job, as they are logged."""
    trainings = lineage(config, data).trainings
    (found,) = {
        (logged["training.augmentation.flips"], logged["training.augmentation.turns"])
        for logged in (parameters(training.config) for training in trainings)
    }
    return found


def test_every_experiment_is_in_the_table():
    conf = Path(__file__).parents[1] / "conf" / "experiment"
    assert EXPERIMENTS.keys() == {path.stem for path in conf.glob("*.yaml")}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_turn_upside_down_what_has_no_up(experiment):
    words = [f"experiment={experiment}"]
    if experiment != "quickstart":
        words.append("data.standin=true")
    config = composed(*words)
    words += [word for word in WITHOUT_DOWNLOADS if hasattr(config.model, word.split(".")[1].partition("=")[0])]
    config = composed(*words, "quantization=float32")
    assert chosen(config, load_dataset(config.data)) == EXPERIMENTS[experiment]
    assert NOTE not in data_remarks([Point((), config)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "key"),
    [
        (
            ["model.width=8", "training.learning_rate=0.003", "quantization=qat_int8"],
            "56fb1388600e4b60c371db4aec322b6b",
        ),
        (
            ["model.width=16", "training.learning_rate=0.01", "quantization=int8"],
            "df7f8027df140401f3fd8b1483122242",
        ),
    ],
)
def test_trainings_of_before_there_was_auto_are_still_found(monkeypatch, words, key):
    """The keys of float trainings are those that the code made in which flips and turns were on by default.

    Batch size and epochs were 16 and 30 then.
    """
    monkeypatch.setattr("segsweep.lineage.trainings.versions", lambda *packages: dict.fromkeys(packages, "1"))
    config = composed("experiment=quickstart", "training.batch_size=16", "training.epochs=30", *words)
    assert config.training.augmentation.flips == config.training.augmentation.turns == "auto"
    assert lineage(config, load_dataset(config.data)).trainings[0].key == key


def with_augmentation(**settings) -> JobConfig:
    return job("qat_int8", training=TrainingConfig(augmentation=AugmentationConfig(**settings)))


@pytest.mark.parametrize(
    ("given", "view", "expected"),
    [
        ({}, NADIR, EVERYTHING),
        ({}, UPRIGHT, LEFT_AND_RIGHT),
        ({}, PICTURES, LEFT_AND_RIGHT),
        ({"flips": True}, UPRIGHT, (True, False)),
        ({"turns": True}, UPRIGHT, ("horizontal", True)),
        ({"flips": True, "turns": True}, UPRIGHT, EVERYTHING),
        ({"flips": False}, NADIR, (False, True)),
        ({"flips": "horizontal", "turns": False}, NADIR, LEFT_AND_RIGHT),
    ],
)
def test_what_is_given_stays_and_fine_tunes_inherit(given, view, expected):
    data = dataset(known_view=view)
    config = with_augmentation(**given)
    assert chosen(config, data) == expected
    asked = with_augmentation(flips=expected[0], turns=expected[1])
    assert lineage(config, data).key == lineage(asked, data).key


def test_the_view_is_in_no_key_by_itself():
    config = with_augmentation(flips=True, turns=True)
    assert len({lineage(config, dataset(known_view=view)).key for view in (NADIR, UPRIGHT, PICTURES, None)}) == 1
    said = replace(config, data=replace(config.data, view="nadir"))
    assert lineage(said, dataset()).key == lineage(config, dataset()).key


def archive(folder: Path, bands: int, **settings) -> NpzConfig:
    rng = np.random.default_rng(0)
    images, labels = rng.random((20, 16, 16, bands), np.float32), rng.integers(0, 2, (20, 16, 16)).astype(np.uint8)
    np.savez(folder / "all.npz", X=images, Y=labels)
    return NpzConfig(train=str(folder / "all.npz"), **settings)


@pytest.mark.parametrize(("bands", "view"), [(1, PICTURES), (4, PICTURES), (5, NADIR)])
def test_images_of_many_bands_are_from_above(tmp_path, bands, view):
    assert load_dataset(archive(tmp_path, bands)).view == view


def test_bands_count_as_the_files_have_them(tmp_path):
    data = load_dataset(archive(tmp_path, 6, channels=[0, 1, 2]))
    assert len(data.bands) == 3
    assert data.view == NADIR


@pytest.mark.parametrize(
    ("bands", "place", "view"),
    [
        (3, {}, PICTURES),
        (6, {}, NADIR),
        (3, {"crs": "EPSG:32633", "transform": (10, 0, 359_130, 0, -10, 5_352_340)}, NADIR),
        (1, {"transform": (10, 0, 359_130, 0, -10, 5_352_340)}, NADIR),
    ],
)
@pytest.mark.parametrize("source", ["image_folder", "class_folders"])
def test_rasters_are_from_above_where_they_lie_somewhere(tmp_path, source, bands, place, view):
    rasterio = pytest.importorskip("rasterio")
    place = {**place, "transform": rasterio.Affine(*place["transform"])} if place else {}
    rng = np.random.default_rng(0)
    for index in range(12):
        path = tmp_path / ("images" if source == "image_folder" else "ab"[index % 2]) / f"{index}.tif"
        path.parent.mkdir(exist_ok=True)
        kind = {"driver": "GTiff", "height": 16, "width": 16, "count": bands, "dtype": "uint8"}
        with rasterio.open(path, "w", **kind, **place) as file:
            file.write(rng.integers(0, 255, (bands, 16, 16)).astype(np.uint8))
        if source == "image_folder":
            (tmp_path / "masks").mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 2, (16, 16)).astype(np.uint8)).save(tmp_path / "masks" / f"{index}.png")
    folders = ImageFolderConfig(root=str(tmp_path), images="images/*.tif", classes=["a", "b"])
    config = folders if source == "image_folder" else ClassFoldersConfig(root=str(tmp_path))
    assert load_dataset(config).view == view


@pytest.mark.parametrize(
    ("settings", "augmentation", "is_said"),
    [
        ({}, {}, True),
        ({}, {"flips": True}, True),
        ({}, {"flips": True, "turns": True}, False),
        ({"view": "nadir"}, {}, False),
        ({"view": "upright"}, {}, False),
    ],
)
def test_a_guess_is_said_where_anything_follows_from_it(tmp_path, settings, augmentation, is_said):
    config = replace(with_augmentation(**augmentation), data=archive(tmp_path, 3, **settings))
    said = data_remarks([Point((), config), Point((), replace(config, seed=1))])
    assert said.count(NOTE) == is_said


def test_a_guess_is_said_where_one_of_the_points_leaves_it_open(tmp_path):
    data = archive(tmp_path, 3)
    points = [
        Point((), replace(with_augmentation(**each), data=data))
        for each in ({"flips": True, "turns": True}, {"flips": "auto", "turns": "auto"})
    ]
    assert data_remarks(points).count(NOTE) == 1


def test_the_plan_says_it(workplace, capsys):
    from segsweep.cli import main

    archive(workplace, 3)
    assert main(["plan", "data=npz", "data.train=all.npz"]) == 0
    assert f"data       {NOTE}\n" in capsys.readouterr().out
    assert main(["plan", "data=npz", "data.train=all.npz", "data.view=nadir"]) == 0
    assert NOTE not in capsys.readouterr().out
