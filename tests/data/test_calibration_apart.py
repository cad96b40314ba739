"""No setting makes an image of the validation or the test calibrate: it would have to be a training image too."""

import numpy as np
import pytest
from saved_folders import ids, picture, save

from segsweep.cli import main
from segsweep.data.choosing_images import CHOICES
from segsweep.data.dataset import ArraySplit

INT8 = ["quantization=int8", "quantization.calibration.samples=2"]


@pytest.fixture
def folder(workplace):
    for index in range(8):
        save(workplace / f"data/images/{index}.png", picture(index))
        save(workplace / f"data/masks/{index}.png", ids(index))
    return workplace / "data"


def refusal(words, capsys):
    assert main(["plan", *words, *INT8]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("segsweep: error: ")
    return line


@pytest.mark.parametrize("role", ["validation", "test"])
@pytest.mark.parametrize("twin", [False, True])
def test_lists_that_overlap_are_refused_with_the_image_named(folder, capsys, role, twin):
    """Also where the image has another name there."""
    if twin:
        save(folder / "images/6.png", picture(1))
    (folder / "train.txt").write_text("0\n1\n2\n")
    (folder / f"{role}.txt").write_text("6\n5\n" if twin else "1\n5\n")
    line = refusal(
        ["data=image_folder", f"data.root={folder}", "data.classes=[a,b]", "data.train=train.txt",
         f"data.{role}={role}.txt"], capsys,
    )  # fmt: skip
    assert f"1 images of the {role} split are equal to" in line
    assert (f"{'6' if twin else '1'} with 1 for one") in line


def test_patterns_that_overlap_are_refused(folder, capsys):
    line = refusal(
        ["data=image_folder", f"data.root={folder}", "data.classes=[a,b]", "data.train=images/*",
         "data.test=images/*4.png"], capsys,
    )  # fmt: skip
    assert "4 with 4 for one" in line


def test_an_archive_for_training_and_validation_is_refused(workplace, capsys):
    rng = np.random.default_rng(0)
    for name, count in (("train", 6), ("other", 3)):
        images = rng.integers(0, 255, (count, 16, 16, 2)).astype(np.uint8)
        np.savez(workplace / f"{name}.npz", X=images, Y=rng.integers(0, 2, (count, 16, 16)))
    line = refusal(["data=npz", "data.train=train.npz", "data.validation=train.npz", "data.test=other.npz"], capsys)
    assert "6 images are both in the training and in the validation split (image 0 of the validation split" in line


@pytest.mark.parametrize("choice", CHOICES)
def test_calibration_images_are_chosen_among_the_training_images_alone(choice):
    from segsweep.runs.calibration_images import calibration_images

    rng = np.random.default_rng(0)
    train = ArraySplit(rng.random((9, 16, 16, 2)).astype(np.float32), rng.integers(0, 2, (9, 16, 16)).astype(np.uint8))

    class Alone:
        """A data set of which nothing else can be read."""

        normalization = type("Same", (), {"apply": staticmethod(lambda images: images)})()

    dataset = Alone()
    dataset.train = train
    chosen = CHOICES[choice](train, 4, 0)
    np.testing.assert_array_equal(calibration_images(chosen.tolist(), dataset, (16, 16)), train.images[chosen])
