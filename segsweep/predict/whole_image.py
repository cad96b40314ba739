"""Predicting an image as a whole: brought to the model's size, as images of many sizes were for the training."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from segsweep.data.fitting import Fit, fit_image
from segsweep.data.no_data import marked, missing_in
from segsweep.errors import DataError
from segsweep.predict.ensemble import Ensemble, TilePredictor
from segsweep.predict.scene import Reader, Scene, missing_pixels
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
        """The image as one part; what is no data counts as the mean of its band.

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
        invalid = self._reader.invalid(pixels, scene.whole, feed.read)
        # As in the training: what is no data has no part in its neighbours, and is the mean of its band.
        image = np.moveaxis(marked(pixels, invalid), 0, -1)
        fit = Fit(self._ensemble.tile, "resize")
        small = np.moveaxis(fit_image(image, fit, rounded=pixels.dtype.kind in "iu"), -1, 0)
        gone = missing_in(small)
        members = zip(self._ensemble.members, feed.used, feed.tables, strict=True)
        prepared = [
            [member.prepared(small[list(used)], None if gone is None else gone[list(used)], feed.scale, tables)]
            for member, used, tables in members
        ]
        return pixels, missing_pixels(invalid), pool.submit(self._predictor.planes, prepared).result()[:, 0]
