"""Where the tiles of a scene lie, and how much each counts where several overlap."""

import numpy as np


def positions(length: int, tile: int, overlap: int) -> np.ndarray:
    """Where tiles begin along a side of `length` pixels, ascending; the last one is moved inwards to end with it.

    A side shorter than a tile has one tile, which goes on beyond its end.
    """
    last = max(0, length - tile)
    return np.unique(np.append(np.arange(0, last, tile - overlap), last))


def blending_weights(starts: np.ndarray, tile: int, overlap: int) -> np.ndarray:
    """What each pixel of each tile along a side counts, (tiles, tile) float32; 1 in the sum over all tiles of a pixel.

    Towards its ends a tile counts less, as the square of a sine over the overlap, so that where it ends nothing shows:
    a network knows least there. A scene's weights are the products of those of its two sides.
    """
    ramp = min(overlap, tile // 2)
    window = np.ones(tile)
    rise = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / ramp) ** 2 if ramp else np.ones(0)
    window[:ramp] *= rise
    window[tile - ramp :] *= rise[::-1]
    total = np.zeros(int(starts[-1]) + tile)
    for start in starts:
        total[start : start + tile] += window
    return np.array([window / total[start : start + tile] for start in starts], np.float32)


def weigh(tiles: np.ndarray, weights: np.ndarray, axis: int) -> None:
    """Multiplies tiles (..., h, w) in place by weights that can be broadcast to them and differ along `axis`, -2 or -1.

    Amid a tile, where no other has a part, they are 1, and nothing is done.
    """
    others = tuple(number for number in range(weights.ndim) if number != weights.ndim + axis)
    amid = np.flatnonzero((weights == 1).all(axis=others))
    parts = [slice(None)]
    if len(amid) and amid[-1] - amid[0] == len(amid) - 1:
        parts = [slice(0, int(amid[0])), slice(int(amid[-1]) + 1, None)]
    for part in parts:
        where = (..., part) if axis == -1 else (..., part, slice(None))
        tiles[where] *= weights[where]
