"""Predicting an image as a whole: brought to the model's size, as images of many sizes were for the training."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from segsweep.data.fitting import Fit, fit_image
from segsweep.errors import DataError
from segsweep.predict.ensemble import Ensemble, TilePredictor
from segsweep.predict.scene import Reader, Scene
from segsweep.predict.scene_parts import Block, Feed

_LARGEST = 2**28
"""Numbers in an image, all of which are in memory."""


class WholeImage:
    """Predicts one image."""

    tiles = 1

    def __init__(self, scene: Scene, reader: Reader, ensemble: Ensemble, feed: Feed, predictor: TilePredictor):
        self._scene, self._reader, self._ensemble, self._feed = scene, reader, ensemble, feed
        self._predictor = predictor

    def blocks(
        self, pool: ThreadPoolExecutor, threads: int, on_tiles: Callable[[int], None]
    ) -> Generator[Block, None, None]:
        """The image as one part; what is missing counts as the mean of its band.

        Raises:
            DataError: it is too large for that.
        """
        scene, feed = self._scene, self._feed
        planes = max(len(feed.read), self._ensemble.planes)
        if scene.height * scene.width * planes > _LARGEST:
            raise DataError(
                f"{scene.path}: {scene.width} x {scene.height} pixels are too many for --whole; leave it out"
            )
        pixels, missing, shares = self.shares(pool)
        on_tiles(1)
        size = (scene.width, scene.height)
        large = [np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BILINEAR)) for each in shares]
        yield Block(scene.whole, pixels, self._ensemble.combined(np.stack(large)), missing)

    def shares(self, pool: ThreadPoolExecutor) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Pixels, which of them miss data, and planes (P, h, w) at the models' size; (P, 1, 1) of a classifier."""
        scene, feed = self._scene, self._feed
        pixels = self._reader.read(scene.whole, feed.read)
        missing = self._reader.missing(pixels, scene.whole)
        filled = pixels if missing is None else _filled(pixels, missing)
        small = np.moveaxis(fit_image(np.moveaxis(filled, 0, -1), Fit(self._ensemble.tile, "resize")), -1, 0)
        members = zip(self._ensemble.members, feed.used, feed.tables, strict=True)
        prepared = [[member.prepared(small[list(used)], None, feed.scale, tables)] for member, used, tables in members]
        return pixels, missing, pool.submit(self._predictor.planes, prepared).result()[:, 0]


def _filled(pixels: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Pixels (C, H, W), the mean of their band in place of what is missing; 0 where all is."""
    there = pixels[:, ~missing]
    means = there.mean(axis=1) if there.size else np.zeros(len(pixels))
    return np.where(missing, means[:, None, None].astype(pixels.dtype), pixels)
