"""Bringing images to one size, and cutting them."""

import numpy as np
import pytest
from PIL import Image

from segsweep.data.dataset import IGNORE
from segsweep.data.fitting import CountedPart, Fit, Patches, fit_image, fit_labels, fit_picture


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


@pytest.mark.parametrize(
    ("size", "stride", "shape"),
    [(16, None, (40, 33)), (16, 5, (40, 33)), (16, 1, (20, 16)), (64, None, (100, 100)), (7, 3, (9, 50))],
)
def test_each_pixel_is_counted_in_the_patch_in_whose_middle_it_lies_most(size, stride, shape):
    patches = Patches(size, stride)
    corners, parts = patches.corners(shape), patches.counted(shape)
    # How far a pixel lies from the nearest edge of a patch; -1 where it is not in it.
    depth = np.full((len(corners), *shape), -1)
    inner = np.minimum(np.arange(size), size - 1 - np.arange(size))
    for number, (row, column) in enumerate(corners):
        depth[number, row : row + size, column : column + size] = np.minimum.outer(inner, inner)
    times = np.zeros(shape, int)
    for number, ((row, column), part) in enumerate(zip(corners, parts, strict=True)):
        rows, columns = slice(row + part.top, row + part.bottom), slice(column + part.left, column + part.right)
        times[rows, columns] += 1
        assert (depth[number, rows, columns] == depth[:, rows, columns].max(axis=0)).all()
    assert (times == 1).all()
    assert patches.overlap(shape) == (len(corners) * size**2 > shape[0] * shape[1])


def test_parts_by_hand():
    # 64 and 64 of 100 pixels: the first 50 count in the first patch, the last 50 in the second.
    first, *_, last = Patches(64, None).counted((100, 100))
    assert first == CountedPart(0, 50, 0, 50)
    assert last == CountedPart(14, 64, 14, 64)
    labels = np.ones((64, 64), np.uint8)
    assert np.count_nonzero(first.only(labels) == 1) == 2500
    assert np.count_nonzero(first.only(labels) == IGNORE) == 64 * 64 - 2500
    assert Patches(None, None).counted((5, 7)) == [CountedPart(0, 5, 0, 7)]


def test_images_smaller_than_a_patch_are_filled_up():
    patches = Patches(16, None)
    labels = patches.prepare(np.ones((10, 20), np.uint8))
    assert labels.shape == (16, 20)
    assert (labels[10:] == IGNORE).all()
    assert patches.prepare(ramp(10, 20)).shape == (16, 20, 3)
    assert patches.corners((16, 20)) == [(0, 0), (0, 4)]
