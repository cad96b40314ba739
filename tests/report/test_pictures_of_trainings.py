"""Previews on their way from a training to the store and from there to a GIF; curves."""

import io
import json
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segsweep.cli import main
from segsweep.data.dataset import IGNORE, ArraySplit, Dataset, Normalization
from segsweep.data.pictures import GREY
from segsweep.errors import SegsweepError
from segsweep.report.animations import animation, trainings_of, write_animations
from segsweep.report.figures.curves import curves_figure, histories, labels_of
from segsweep.report.figures.rendering import render
from segsweep.report.figures.style import COLOURS
from segsweep.runs.previews import Previews
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

PALETTE = ((200, 0, 0), (0, 0, 200))
LABELS = np.array([[[0, 1], [1, IGNORE]]], np.uint8).repeat(48, 1).repeat(48, 2).repeat(9, 0)
SPLIT = ArraySplit(np.random.default_rng(0).random((9, 96, 96, 3), np.float32), LABELS)
DATASET = Dataset(
    "some", ("a", "b"), PALETTE, ("r", "g", "b"), (0, 1, 2), SPLIT, SPLIT, SPLIT,
    Normalization(np.zeros(3, np.float32), np.ones(3, np.float32)),
)  # fmt: skip


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(f"sqlite:///{tmp_path}/mlflow.db", "segsweep")


def training(store: Store, key: str = "key", name: str = "unet w8 float", **tags: str) -> str:
    all_tags = {names.TRAINING_KEY: key, names.TRAINING_KIND: "float", **tags}
    return store.create_run(names.TRAINING, name, parent=None, tags=all_tags, params={})


def sweep_of(store: Store, *keys: str) -> str:
    sweep_id = store.create_run(names.SWEEP, "sweep", parent=None, tags={}, params={})
    members = [
        {"evaluation_key": f"e{key}", "training_key": key, "training_kind": "float", "asked": True, "settings": {}}
        for key in keys
    ]
    store.add_artifacts(sweep_id, {names.MEMBERS_FILE: json.dumps({"members": members}).encode()})
    store.finish(sweep_id, "FINISHED")
    return sweep_id


def predictions(value: int) -> list[np.ndarray]:
    return [np.full((104, 104), value, np.uint8)] * 3


def show(previews: Previews, epochs, best: int, seconds: float = 0.0) -> None:
    for epoch in epochs:
        previews.show(epoch, predictions(epoch % 2)[: len(previews.images)], epoch <= best)
        time.sleep(seconds)


class TestPreviews:
    def test_first_best_and_last_are_logged_though_epochs_are_short(self, store):
        run_id = training(store)
        previews = Previews(store, DATASET, 3)
        assert previews.images == [0, 4, 8]
        with previews.logging(run_id):
            show(previews, [1], best=1)
            time.sleep(1)
            show(previews, range(2, 400), best=250)
        pictures = dict(store.artifacts.images(store.get(run_id), names.PREVIEWS))
        assert {1, 250, 399} <= pictures.keys()
        assert len(pictures) < 20
        assert store.get(run_id).tags["mlflow.loggedImages"] == "True"
        picture = np.asarray(Image.open(io.BytesIO(pictures[250])))
        assert picture.shape == (3 * 96 + 8, 3 * 96 + 8, 3)
        assert [tuple(picture[row, 100]) for row in (10, 60)] == [PALETTE[0], PALETTE[1]]
        assert tuple(picture[60, 160]) == GREY
        assert (picture[:96, 200:] == PALETTE[0]).all()
        assert (np.asarray(Image.open(io.BytesIO(pictures[399])))[:96, 200:] == PALETTE[1]).all()

    def test_long_epochs_are_logged_each_and_given_to_who_else_wants_them(self, store, monkeypatch):
        monkeypatch.setattr("segsweep.runs.previews._SHARE_OF_TIME", 1e9)
        run_id, seen = training(store), []
        previews = Previews(store, DATASET, 2)
        previews.also = lambda epoch, picture: seen.append(epoch)
        with previews.logging(run_id):
            show(previews, range(1, 6), best=1, seconds=0.5)
        assert [step for step, _ in store.artifacts.images(store.get(run_id), names.PREVIEWS)] == [1, 2, 3, 4, 5]
        assert seen == [1, 2, 3, 4, 5]

    def test_a_store_that_does_not_take_them_does_not_stop_the_training(self, store, monkeypatch):
        def refuse(*args, **kwargs):
            raise ConnectionError

        monkeypatch.setattr(store, "add_image", refuse)
        previews = Previews(store, DATASET, 2)
        with previews.logging("run"):
            show(previews, range(1, 4), best=1)

    def test_what_fails_is_told_once_and_stops_neither_training_nor_thread(self, store, monkeypatch, capfd):
        def fail(epoch, picture):
            raise ValueError("disk full")

        monkeypatch.setattr("segsweep.runs.previews._SHARE_OF_TIME", 1e9)
        previews = Previews(store, DATASET, 2)
        previews.also = fail
        with previews.logging(training(store)):
            show(previews, range(1, 4), best=1, seconds=0.2)
        said = capfd.readouterr().err
        assert "Traceback" not in said
        assert said.count("disk full") == said.count("\n") == 1

    def test_a_training_that_fails_is_not_held_up(self, store):
        previews = Previews(store, DATASET, 2)
        with pytest.raises(KeyError), previews.logging(training(store)):
            raise KeyError
        assert Previews(store, DATASET, 99).images == list(range(9))
        with Previews(store, DATASET, 0).logging("none"):
            pass


class TestAnimations:
    def test_a_gif_for_each_training_with_the_latest_picture_of_each_epoch(self, store, tmp_path, capsys):
        run_id, other = training(store), training(store, "other", "unet w16")
        colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
        # The second epoch was repeated after an interruption.
        for step, colour in zip((1, 2, 2, 5), [colours[0], (9, 9, 9), *colours[1:]], strict=True):
            store.add_image(run_id, names.PREVIEWS, Image.new("RGB", (60, 40), colour), step)
            time.sleep(0.01)
        for each in (run_id, other):
            store.finish(each, "FINISHED")
        sweep = store.get(sweep_of(store, "key", "other", "missing"))
        assert [run.run_id for run in trainings_of(store, sweep)] == [run_id, other]
        (path,) = write_animations(store, sweep, tmp_path / "new" / "gifs")
        assert path.name == f"unet-w8-float-{run_id[:8]}.gif"
        assert list(path.parent.iterdir()) == [path]
        assert "unet w16" in capsys.readouterr().err
        with Image.open(path) as gif:
            assert (gif.n_frames, gif.info["loop"], gif.size) == (3, 0, (60, 58))
            for frame, colour in enumerate(colours):
                gif.seek(frame)
                pixels = np.asarray(gif.convert("RGB")).astype(int)
                assert np.abs(pixels[20:] - colour).max() < 12
                assert pixels[:18].min() < 80, "the epoch stands on top"

    def test_files_that_exist_are_replaced_on_demand_alone(self, store, tmp_path):
        run_id = training(store)
        store.add_image(run_id, names.PREVIEWS, Image.new("RGB", (60, 40)), 1)
        store.finish(run_id, "FINISHED")
        sweep = store.get(sweep_of(store, "key"))
        (path,) = write_animations(store, sweep, tmp_path)
        path.write_bytes(b"of somebody else")
        with pytest.raises(SegsweepError, match="the file exists"):
            write_animations(store, sweep, tmp_path)
        assert path.read_bytes() == b"of somebody else"
        assert write_animations(store, sweep, tmp_path, force=True) == [path]
        assert path.read_bytes().startswith(b"GIF")

    def test_without_any_it_says_what_would_give_some(self, store, tmp_path, capsys, monkeypatch):
        store.finish(training(store), "FINISHED")
        sweep_of(store, "key")
        uri = f"sqlite:///{tmp_path}/mlflow.db"
        assert main(["report", "--tracking-uri", uri, "--animations", str(tmp_path / "gifs")]) == 2
        assert "has previews; they are logged while one trains with training.preview_images" in capsys.readouterr().err
        assert not (tmp_path / "gifs").exists()

    def test_one_picture_is_a_gif_too(self):
        file = io.BytesIO()
        Image.new("RGB", (20, 20)).save(file, format="PNG")
        assert Image.open(io.BytesIO(animation([(7, file.getvalue())]))).n_frames == 1


def test_curves_of_all_trainings(store, monkeypatch):
    epochs = [{"val/mean_iou": 0.5, "val/loss": 1.0, "train/loss": 1.2}] * 3
    float_run, qat_run = training(store), training(store, "q", "qat", **{names.PARENT_TRAINING_KEY: "key"})
    for run_id in (float_run, qat_run):
        store.add_artifacts(run_id, {names.HISTORY_FILE: json.dumps(epochs).encode()})
    runs = [store.get(run_id) for run_id in (float_run, qat_run, training(store, "none"))]
    found = histories(store, runs)
    float_record = runs[0]
    assert [(run.run_id, history) for run, history in found] == [(float_run, epochs), (qat_run, epochs)]
    drawn = []
    monkeypatch.setattr("matplotlib.axes.Axes.plot", lambda axes, x, y, **style: drawn.append((list(x), y, style)))
    assert Image.open(io.BytesIO(render(curves_figure(found), "png", dots=100))).format == "PNG"
    assert [(x, y) for x, y, _ in drawn[:2]] == [([1, 2, 3], [0.5] * 3), ([4, 5, 6], [0.5] * 3)], "it goes on"
    assert drawn[0][2]["color"] == drawn[1][2]["color"], "a fine-tune has the colour of what it starts from"
    other = [(replace(float_record, tags={**float_record.tags, names.TRAINING_KEY: "other"}), epochs)]
    colours = []
    for order in ((), ["not here", "other", "key"]):
        drawn.clear()
        curves_figure(found[:1] + other, order=order)
        colours.append([style["color"] for _, _, style in drawn[:2]])
    assert colours == [list(COLOURS[:2]), [COLOURS[2], COLOURS[1]]], "as the figure has it that gives the order"
    monkeypatch.undo()
    assert Image.open(io.BytesIO(render(curves_figure(found * 20), "png", dots=100))).format == "PNG"
    assert curves_figure([]) is None


def test_trainings_of_one_name_are_told_apart_by_what_they_differ_in(store):
    def run(name: str, size: int, sweep: str) -> RunRecord:
        params = {"data.size": size, "seed": 0, "sweep.id": sweep}
        return store.get(store.create_run(names.TRAINING, name, parent=None, tags={}, params=params))

    runs = [run("unet w8", 64, "a"), run("unet w8", 96, "b"), run("unet w16", 64, "a")]
    assert labels_of(runs) == ["unet w8 data.size=64", "unet w8 data.size=96", "unet w16"]
