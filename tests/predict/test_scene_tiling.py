"""Where tiles lie and how much they count."""

import numpy as np
import pytest

from segsweep.predict.orientations import orientations
from segsweep.predict.tiling import blending_weights, positions, weigh


def test_tiles_follow_each_other_and_the_last_ends_with_the_side() -> None:
    assert positions(100, 32, 8).tolist() == [0, 24, 48, 68]
    assert positions(80, 32, 8).tolist() == [0, 24, 48]
    assert positions(32, 32, 8).tolist() == positions(5, 32, 8).tolist() == [0]
    assert positions(96, 32, 0).tolist() == [0, 32, 64]


@pytest.mark.parametrize("length", [7, 32, 33, 100, 517])
@pytest.mark.parametrize("overlap", [0, 1, 8, 16, 24])
def test_each_pixel_counts_once(length: int, overlap: int) -> None:
    starts = positions(length, 32, overlap)
    weights = blending_weights(starts, 32, overlap)
    total = np.zeros(max(length, 32))
    for start, own in zip(starts, weights, strict=True):
        total[start : start + 32] += own
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert (weights >= 0).all()


def test_weights_fall_as_a_hann_window_does() -> None:
    starts = positions(160, 32, 16)
    middle = blending_weights(starts, 32, 16)[3]
    # The periodic Hann window of twice the overlap, at the middle of each pixel.
    np.testing.assert_allclose(middle, 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(32) + 0.5) / 32), atol=1e-6)


def test_at_the_scenes_edge_a_tile_counts_in_full() -> None:
    first, *_, last = blending_weights(positions(128, 32, 8), 32, 8)
    assert first[:24].tolist() == last[8:].tolist() == [1] * 24


@pytest.mark.parametrize("overlap", [0, 5, 16, 24])
def test_tiles_are_weighed_where_they_overlap_and_elsewhere(overlap: int) -> None:
    tiles = np.random.default_rng(0).normal(size=(3, 4, 32, 32)).astype(np.float32)
    weights = blending_weights(positions(120, 32, overlap), 32, overlap)
    expected = tiles * weights[2][:, None] * weights[:4, None, :]
    weigh(tiles, weights[2][:, None], axis=-2)
    weigh(tiles, weights[:4, None, :], axis=-1)
    np.testing.assert_array_equal(tiles, expected)


@pytest.mark.parametrize(("shape", "count"), [((4, 4, 2), 8), ((4, 6, 2), 4)])
def test_orientations_are_all_there_and_can_be_undone(shape: tuple[int, int, int], count: int) -> None:
    image = np.arange(np.prod(shape)).reshape(shape)
    turned = orientations(square=shape[0] == shape[1])
    assert len({each.apply(image).tobytes() for each in turned}) == count
    for each in turned:
        assert each.apply(image).shape == shape
        np.testing.assert_array_equal(each.undo(each.apply(image)), image)
