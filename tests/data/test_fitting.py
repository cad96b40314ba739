"""Bringing images to one size, and cutting them."""

import numpy as np
import pytest
from PIL import Image

from segsweep.data.dataset import IGNORE
from segsweep.data.fitting import Fit, Patches, fit_image, fit_labels, fit_picture


def ramp(height, width, bands=3, dtype=np.uint8):
    """Each pixel holds its row in the first band and its column in the second."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows, columns, *[rows + columns] * (bands - 2)], axis=-1).astype(dtype)


def test_resize_stretches_to_the_size():
    fitted = fit_image(ramp(40, 80), Fit((20, 20), "resize"))
    assert fitted.shape == (20, 20, 3)
    assert fitted.dtype == np.uint8
    # The centre of row i of the result lies at (i + 1/2) * 2 - 1/2 of the source.
    np.testing.assert_allclose(fitted[2:-2, 10, 0], np.arange(2, 18) * 2 + 0.5, atol=1)
    np.testing.assert_allclose(fitted[10, 2:-2, 1], np.arange(2, 18) * 4 + 1.5, atol=1)


def test_crop_keeps_proportions_and_the_centre():
    fitted = fit_image(ramp(40, 80), Fit((20, 20), "crop"))
    # Scaled by 1/2 so that the height fits: columns 20 to 60 of the source remain.
    np.testing.assert_allclose(fitted[10, 2:-2, 1], 20 + np.arange(2, 18) * 2 + 0.5, atol=1)
    labels = np.zeros((40, 80), np.uint8)
    labels[:, :20] = labels[:, 60:] = 7
    assert not fit_labels(labels, Fit((20, 20), "crop")).any()


def test_pad_keeps_everything_and_ignores_what_is_filled_up():
    labels = np.tile(np.repeat(np.array([1, 2], np.uint8), 40), (40, 1))
    fitted = fit_labels(labels, Fit((30, 20), "pad"))
    # Scaled by 1/4 so that the width fits: 10 rows are used.
    np.testing.assert_array_equal(fitted[:10], np.tile(np.repeat([1, 2], 10), (10, 1)))
    assert (fitted[10:] == IGNORE).all()
    image = fit_image(ramp(40, 80), Fit((30, 20), "pad"))
    np.testing.assert_array_equal(image[10:19], image[8::-1][:9])


def test_labels_are_never_mixed():
    labels = np.random.default_rng(0).choice([0, 3, 200, 255], (37, 53)).astype(np.uint8)
    for how in ("resize", "crop", "pad"):
        assert set(np.unique(fit_labels(labels, Fit((16, 24), how)))) <= {0, 3, 200, 255}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int16])
def test_other_types_and_any_number_of_bands_are_resized_as_8_bits_are(dtype):
    image = ramp(33, 47, bands=5)
    as_bytes = np.concatenate([fit_image(image[..., [band]], Fit((16, 20), "resize")) for band in range(5)], axis=-1)
    fitted = fit_image(image.astype(dtype) * 100, Fit((16, 20), "resize"))
    assert fitted.dtype == dtype
    # Pillow rounds bytes twice, after the rows and after the columns.
    np.testing.assert_allclose(fitted / 100, as_bytes, atol=1.01)


def test_a_fourth_band_is_no_transparency():
    image = np.empty((8, 8, 4), np.uint8)
    image[..., :3] = (200, 100, 50)
    image[..., 3] = np.arange(8) % 2 * 3
    fitted = fit_image(image, Fit((4, 4), "resize"))
    # What is the same everywhere stays as it is.
    assert (fitted[..., :3] == (200, 100, 50)).all()
    noise = np.random.default_rng(0).integers(0, 256, (33, 47, 4)).astype(np.uint8)
    for how in ("resize", "crop", "pad"):
        fit = Fit((16, 20), how)
        each = [fit_image(noise[..., [band]], fit) for band in range(4)]
        np.testing.assert_array_equal(fit_image(noise, fit), np.concatenate(each, axis=-1))
        np.testing.assert_array_equal(fit_picture(Image.fromarray(noise), fit), np.concatenate(each, axis=-1))


def test_image_and_labels_stay_aligned():
    image = np.zeros((60, 90, 3), np.uint8)
    image[20:40, 30:60] = 255
    labels = (image[..., 0] > 0).astype(np.uint8)
    for how in ("resize", "crop", "pad"):
        fit = Fit((45, 45), how)
        bright, marked = fit_image(image, fit)[..., 0] > 127, fit_labels(labels, fit)
        assert (bright == (marked == 1))[marked != IGNORE].mean() > 0.98


def test_patches_cover_every_pixel_and_keep_their_size():
    patches = Patches(16, None)
    corners = patches.corners((40, 33))
    assert corners == [(r, c) for r in (0, 16, 24) for c in (0, 16, 17)]
    seen = np.zeros((40, 33), int)
    for row, column in corners:
        seen[row : row + 16, column : column + 16] += 1
    assert seen.min() == 1


def test_stride_makes_patches_overlap():
    assert Patches(16, 8).corners((32, 16)) == [(0, 0), (8, 0), (16, 0)]
    assert Patches(16, 16).corners((32, 32)) == [(0, 0), (0, 16), (16, 0), (16, 16)]


def test_images_smaller_than_a_patch_are_filled_up():
    patches = Patches(16, None)
    labels = patches.prepare(np.ones((10, 20), np.uint8))
    assert labels.shape == (16, 20)
    assert (labels[10:] == IGNORE).all()
    assert patches.prepare(ramp(10, 20)).shape == (16, 20, 3)
    assert patches.corners((16, 20)) == [(0, 0), (0, 4)]
