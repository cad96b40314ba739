"""`segsweep predict`: what it makes of pictures and arrays, and what it says of wrong input."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import handmade_models as handmade
import hostile_models as hostile
import numpy as np
import psutil
import pytest
from checkout import ROOT
from PIL import Image
from predicting import areas, complaint, expected_ids, picture, predict

from segsweep.errors import ModelError
from segsweep.predict.request import Request
from segsweep.predict.supervision import supervised


def test_a_picture_becomes_a_map(folder, capfd):
    assert predict("rgb.tflite", "photo.png", "--output", "out") == 0
    assert sorted(os.listdir("out")) == ["areas.csv", "photo_ids.png"]
    with Image.open("out/photo_ids.png") as made:
        assert made.mode == "P"
        assert made.getpalette()[:9] == [255, 0, 0, 0, 128, 0, 0, 0, 255]
        ids = np.asarray(made)
    expected = expected_ids(picture())
    np.testing.assert_array_equal(ids, expected)
    assert [(row["class"], int(row["pixels"])) for row in areas()] == [
        *zip(("field", "wood", "water"), np.bincount(expected.ravel(), minlength=3).tolist()),
        ("(no data)", 0),
    ]
    assert all(row["hectares"] == "" for row in areas())
    out, err = capfd.readouterr()
    assert "photo: " in out
    assert not err


def test_all_that_can_be_written(folder):
    assert predict("rgb.tflite", "photo.png", "--output", "out", "--write", "ids,colours,probabilities,overlay") == 0
    ids = np.asarray(Image.open("out/photo_ids.png"))
    shares = np.load("out/photo_probabilities.npy")
    np.testing.assert_allclose(shares, handmade.pixelwise_shares(picture(), 3), atol=2e-5)
    colours = np.asarray(Image.open("out/photo_colours.png"))
    np.testing.assert_array_equal(colours, np.array([(255, 0, 0), (0, 128, 0), (0, 0, 255)])[ids])
    overlay = np.asarray(Image.open("out/photo_overlay.png")).astype(float)
    np.testing.assert_allclose(overlay, 0.55 * picture()[..., [2, 1, 0]] + 0.45 * colours, atol=1.01)
    assert sorted(os.listdir("out")) == sorted(
        ["areas.csv", "photo_colours.png", "photo_ids.png", "photo_overlay.png", "photo_probabilities.npy"]
    )


def test_folders_patterns_and_formats(folder):
    Path("many").mkdir()
    for number, name in enumerate(["a.png", "b.jpg", "c.bmp"]):
        Image.fromarray(picture(seed=number)).save(Path("many") / name, quality=100)
    Path("many/notes.txt").write_text("no image")
    np.save("many/d.npy", picture(20, 20, seed=3))
    assert predict("rgb.tflite", "many", "--output", "out") == 0
    assert [name for name in sorted(os.listdir("out")) if name != "areas.csv"] == [f"{n}_ids.png" for n in "abcd"]
    with Image.open("many/b.jpg") as read:
        np.testing.assert_array_equal(np.asarray(Image.open("out/b_ids.png")), expected_ids(np.asarray(read)))
    assert predict("rgb.tflite", "many/[ac].*", "--output", "some") == 0
    assert [name for name in sorted(os.listdir("some")) if name != "areas.csv"] == ["a_ids.png", "c_ids.png"]
    assert [row["scene"] for row in areas("some/areas.csv")] == ["a"] * 4 + ["c"] * 4


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [True, False])
def test_archives_of_images(folder, order, compressed):
    images = np.stack([handmade.noise(40, 45, 4, seed) for seed in range(3)])
    save = np.savez_compressed if compressed else np.savez
    save("some.npz", X=np.asarray(images, order=order), Y=np.zeros((3, 40, 45)))
    assert predict("four.tflite", "some.npz", "--output", "out") == 0
    for number, image in enumerate(images):
        made = np.asarray(Image.open(f"out/some_{number:04d}_ids.png"))
        np.testing.assert_array_equal(made, expected_ids(image, 4))


def test_models_as_one(folder):
    for seed in range(3):
        Path(f"m{seed}.tflite").write_bytes(handmade.pixelwise(3, seed=seed, dtype=""))
    models = [f"m{seed}.tflite" for seed in range(3)]
    assert predict(*models, "photo.png", "--output", "out", "--weights", "2,1,1", "--write", "probabilities") == 0
    own = [handmade.pixelwise_shares(picture(), 3, seed=seed) for seed in range(3)]
    np.testing.assert_allclose(np.load("out/photo_probabilities.npy"), (2 * own[0] + own[1] + own[2]) / 4, atol=2e-5)
    words = ["--combine", "vote", "--tta", "--write", "ids", "--overlap", "0.5"]
    assert predict(*models, "photo.png", "--output", "votes", *words) == 0
    votes = np.stack([each.argmax(axis=-1) for each in own])
    counts = np.stack([(votes == number).sum(axis=0) for number in range(3)])
    assert (np.asarray(Image.open("votes/photo_ids.png")) == counts.argmax(axis=0)).mean() > 0.999


def test_an_image_is_mapped_as_a_whole(folder):
    from segsweep.data.fitting import Fit, fit_image

    assert predict("rgb.tflite", "photo.png", "--output", "out", "--whole", "--write", "probabilities,overlay") == 0
    small = handmade.pixelwise_shares(fit_image(picture(), Fit((handmade.TILE, handmade.TILE), "resize")), 3)
    planes = [Image.fromarray(small[..., k].astype(np.float32)).resize((70, 50), Image.BILINEAR) for k in range(3)]
    np.testing.assert_allclose(np.load("out/photo_probabilities.npy"), np.stack(planes, axis=-1), atol=2e-5)
    assert Image.open("out/photo_overlay.png").size == (70, 50)


def test_a_foreign_model_is_told_what_it_needs(folder, capfd):
    Path("foreign.bin").write_bytes(handmade.convolution(*handmade.weights(3, 3)))
    words = ["--model", "foreign.bin", "photo.png", "--output", "out"]
    assert "give --mean and --std" in complaint(capfd, *words)
    said = handmade.metadata(3, 3)
    numbers = ["--mean", ",".join(map(str, said.mean)), "--std", ",".join(map(str, said.std))]
    assert predict(*words, *numbers, "--classes", "a,b,c") == 0
    np.testing.assert_array_equal(np.asarray(Image.open("out/photo_ids.png")), expected_ids(picture()))
    assert [row["class"] for row in areas()][:3] == ["a", "b", "c"]


def test_bands_are_chosen(folder):
    image = handmade.noise(40, 40, 8)
    np.save("eight.npy", image)
    assert predict("four.tflite", "eight.npy", "--output", "out", "--channels", "4,5,7,6") == 0
    made = np.asarray(Image.open("out/eight_ids.png"))
    np.testing.assert_array_equal(made, expected_ids(image[..., [4, 5, 7, 6]], 4))


def test_equalized_models_see_equalized_scenes(folder):
    from segsweep.data.histogram import Histogram

    image = handmade.noise(64, 80, 4)
    said = {"histogram": "equalize", "mean": (0.5,) * 4, "std": (0.25,) * 4}
    Path("even.tflite").write_bytes(handmade.pixelwise(4, **said, dtype=""))
    for name, own in {"counted": image, "sorted": image.astype(np.float32)}.items():
        np.save(f"{name}.npy", own)
        assert predict("even.tflite", f"{name}.npy", "--output", name) == 0
        logits = (Histogram("equalize").apply(image) - 0.5) / 0.25 @ handmade.weights(4, 3)[0][:, 0, 0].T
        made = np.asarray(Image.open(f"{name}/{name}_ids.png"))
        assert (made == (logits + handmade.weights(4, 3)[1]).argmax(axis=-1)).mean() > 0.999


def test_files_that_exist_are_replaced_by_force_alone(folder, capfd):
    assert predict("rgb.tflite", "photo.png", "--output", "out") == 0
    capfd.readouterr()
    first = Path("out/photo_ids.png").stat().st_mtime_ns
    assert "photo_ids.png: exists" in complaint(capfd, "rgb.tflite", "photo.png", "--output", "out")
    assert Path("out/photo_ids.png").stat().st_mtime_ns == first
    assert predict("rgb.tflite", "photo.png", "--output", "out", "--force") == 0


def test_the_values_of_another_depth_can_be_declared(folder):
    np.save("deep.npy", picture().astype(np.uint16) * 256)
    assert predict("rgb.tflite", "deep.npy", "--output", "out", "--scale", str(1 / 256)) == 0
    np.testing.assert_array_equal(np.asarray(Image.open("out/deep_ids.png")), expected_ids(picture()))


def test_what_was_whole_before_a_failure_stays_whole(folder, capfd):
    np.savez_compressed("whole.npz", X=handmade.noise(99, 99)[None, ..., :3].astype(np.uint8))
    content = bytearray(Path("whole.npz").read_bytes())
    content[2000:3000] = bytes(1000)
    Path("zz.npz").write_bytes(content)
    assert predict("rgb.tflite", "photo.png", "zz.npz", "--output", "out") == 2
    assert sorted(os.listdir("out")) == ["areas.csv", "photo_ids.png"]
    assert {row["scene"] for row in areas()} == {"photo"}
    assert "zz.npz: cannot be read" in capfd.readouterr().err


def test_a_crash_of_the_worker_is_said_in_one_line(folder):
    Path("endless.tflite").write_bytes(hostile.endless())
    Path("staging").mkdir()
    request = Request(("endless.tflite",), ("photo.png",), ".", "staging", mean=(0.0,), std=(1.0,))

    # Tests before this one may have left processes that end when this one does.
    others = psutil.Process().children()

    def crash() -> None:
        while not (workers := [each for each in psutil.Process().children() if each not in others]):
            time.sleep(0.05)
        time.sleep(1)
        workers[0].send_signal(signal.SIGSEGV)

    thread = threading.Thread(target=crash)
    thread.start()
    with pytest.raises(ModelError, match=r"endless.tflite: predicting with it crashed: the process ended by SIGSEGV"):
        supervised(request, lambda message: None, 60)
    thread.join()
    assert set(psutil.Process().children()) <= set(others)


def test_nothing_heavy_is_loaded(folder):
    script = (
        "import sys, segsweep.predict.command, segsweep.cli\n"
        "assert not {'numpy', 'PIL', 'rich', 'ai_edge_litert'} & set(sys.modules)\n"
        "import segsweep.predict.worker, segsweep.predict.answering\n"
        "allowed = {'numpy', 'PIL', 'ai_edge_litert', 'flatbuffers', 'segsweep'}\n"
        "loaded = {name.partition('.')[0] for name, module in sys.modules.items()\n"
        "          if 'site-packages' in (getattr(module, '__file__', None) or '')}\n"
        "loaded = {name for name in loaded if not name.startswith(('_', 'distutils', 'typing_extensions'))}\n"
        "assert loaded <= allowed, loaded - allowed\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_leaves_nothing(folder):
    Path("endless.tflite").write_bytes(hostile.endless())
    words = ["predict", "endless.tflite", "photo.png", "--output", "out", "--mean", "0", "--std", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "segsweep.cli", *words], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    deadline = time.monotonic() + 60
    while not psutil.Process(process.pid).children() and time.monotonic() < deadline:
        time.sleep(0.05)
    (worker,) = psutil.Process(process.pid).children()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert not Path("out").exists()
