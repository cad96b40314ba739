import io

import numpy as np
import pytest
from PIL import Image

from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.augmentation import draw
from segsweep.data.augmented_picture import augmented_picture
from segsweep.data.dataset import IGNORE, ArraySplit, Dataset, Normalization
from segsweep.data.pictures import GREY, coloured, mosaic, true_colour

RED, BLUE = (200, 0, 0), (0, 0, 200)


def test_labels_have_their_colours_and_ignored_pixels_are_grey():
    found = coloured(np.array([[0, 1], [1, IGNORE]], np.uint8), (RED, BLUE))
    np.testing.assert_array_equal(found, [[RED, BLUE], [BLUE, GREY]])


def test_bands_are_stretched_each_by_itself():
    image = np.stack([np.arange(100.0).reshape(10, 10) * scale for scale in (1, 50, 0)], -1)
    found = true_colour(image, (1, 0, 2))
    np.testing.assert_array_equal(found[..., 0], found[..., 1])
    assert (found[0, 0].tolist(), found[9, 9].tolist()) == ([0, 0, 0], [255, 255, 0])
    assert abs(int(found[5, 0, 0]) - 128) < 6


@pytest.mark.parametrize(("side", "expected"), [(10, 100), (96, 96), (400, 168)])
def test_tiles_fit_into_the_width(side, expected):
    tile = np.zeros((side, side, 3), np.uint8)
    picture = mosaic([[tile] * 3] * 2, width=512)
    assert picture.size == (3 * expected + 8, 2 * expected + 4)
    assert picture.getpixel((expected + 1, 0)) == (255, 255, 255)


def test_augmented_images_are_those_of_the_training():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (7, 100, 100)).astype(np.uint8)
    data = ArraySplit(random.normal(0, 1, (7, 100, 100, 3)).astype(np.float32), labels)
    dataset = Dataset(
        "noise", ("a", "b"), (RED, BLUE), ("r", "g", "b"), (0, 1, 2), data, data, data,
        Normalization(np.zeros(3, np.float32), np.ones(3, np.float32)),
    )  # fmt: skip
    settings = AugmentationConfig(flips=True, turns=True)
    content = augmented_picture(dataset, settings, size=(100, 100), seed=4)
    picture = np.asarray(Image.open(io.BytesIO(content)))
    assert picture.shape == (3 * 100 + 2 * 4, 10 * 100 + 9 * 4, 3)

    def tile(row: int, column: int) -> np.ndarray:
        return picture[row * 104 : row * 104 + 100, column * 104 : column * 104 + 100]

    for row, index in enumerate((0, 3, 6)):
        np.testing.assert_array_equal(tile(row, 0), true_colour(data.images[index], (0, 1, 2)))
        np.testing.assert_array_equal(tile(row, 1), coloured(labels[index], dataset.palette))
        for epoch in (1, 2, 3, 4):
            drawn = draw(7, settings, square=True, seed=4, epoch=epoch)
            image, label = drawn.change(np.array([index]), data.images[[index]], labels[[index]])
            np.testing.assert_array_equal(tile(row, 2 * epoch), true_colour(image[0], (0, 1, 2)))
            np.testing.assert_array_equal(tile(row, 2 * epoch + 1), coloured(label[0], dataset.palette))
