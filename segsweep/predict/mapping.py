"""One scene from the first window to the finished maps."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.data.no_data import marked
from segsweep.data.pictures import limits
from segsweep.predict.areas import AreaCount, Areas
from segsweep.predict.blending import SceneBlender
from segsweep.predict.ensemble import Ensemble, TilePredictor
from segsweep.predict.map_files import MapFile, map_file, map_suffix
from segsweep.predict.products import PRODUCTS, Look, class_ids
from segsweep.predict.scene import Reader, Scene, Window, missing_pixels
from segsweep.predict.scene_histogram import band_tables
from segsweep.predict.scene_parts import Feed
from segsweep.predict.whole_image import WholeImage

Channels = tuple[tuple[int, ...], ...]
"""For each model, bands of a scene."""
_SMALL = 2**21
"""Pixels up to which a scene does not keep many cores busy."""
_LOOKED_AT = 8
"""Rows of a scene, evenly spread, whose values decide which are shown black and white."""


@dataclass(frozen=True)
class Settings:
    """How scenes are mapped."""

    ensemble: Ensemble
    write: tuple[str, ...]
    overlap: float
    whole: bool
    scale: float
    threads: int
    staging: Path


@dataclass(frozen=True)
class Mapped:
    """What was made of a scene."""

    areas: Areas
    files: dict[str, Path]
    """In the staging folder, by the product."""


class Mapper:
    """Maps one scene after the other, with the same interpreters."""

    def __init__(self, settings: Settings, on_stage: Callable[[str], None], on_tiles: Callable[[int], None]):
        """`on_stage` is called with `reading`, `predicting` and `writing`; `on_tiles` with how many more are done."""
        self._settings = settings
        self._predictor = TilePredictor(settings.ensemble)
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="predicting")
        self._on_stage, self._on_tiles = on_stage, on_tiles

    def warm_up(self, tiles: int) -> None:
        """Begins to make interpreters, as many as so many tiles keep busy, while the first of them is read.

        What fails here does so again, and is said, where a tile is predicted.
        """
        for _ in range(min(tiles, self._settings.threads)):
            self._pool.submit(self._predictor.warm_up)

    @property
    def invoke_seconds(self) -> float:
        """Wall seconds that the interpreters of all threads took so far."""
        return self._predictor.invoke_seconds

    def map_all(self, scenes: Sequence[Scene], used: Sequence[Channels]) -> Iterator[Mapped]:
        """Maps the scenes, in order; `used` are the bands that each model takes of each.

        One after the other, as they keep all cores busy; those of few tiles some at a time.

        Raises:
            DataError: one cannot be read.
        """
        if len(scenes) == 1 or any(scene.height * scene.width > _SMALL for scene in scenes):
            for scene, channels in zip(scenes, used, strict=True):
                yield self.map(scene, channels, self._on_stage)
            return
        self._on_stage("predicting")
        waiting: deque[Future[Mapped]] = deque()
        with ThreadPoolExecutor(self._settings.threads, thread_name_prefix="mapping") as pool:
            try:
                for scene, channels in zip(scenes, used, strict=True):
                    waiting.append(pool.submit(self.map, scene, channels, lambda stage: None))
                    if len(waiting) > 2 * self._settings.threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def map(self, scene: Scene, used: Channels, on_stage: Callable[[str], None]) -> Mapped:
        """Maps a scene; `used` are the bands that each model takes of it.

        Raises:
            DataError: it cannot be read.
        """
        with scene.opened() as reader:
            areas, maps = self._predict(scene, reader, used, on_stage)
        # What was read of the scene is out of memory now.
        on_stage("writing")
        files = {}
        for product, file in maps.items():
            files[product] = self._settings.staging / f"{scene.name}_{product}{map_suffix(scene, product)}"
            file.finish(files[product])
        return Mapped(areas, files)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _predict(
        self, scene: Scene, reader: Reader, used: Channels, on_stage: Callable[[str], None]
    ) -> tuple[Areas, dict[str, MapFile]]:
        settings = self._settings
        on_stage("reading")
        feed = feed_of(scene, reader, settings, used)
        look = look_of(scene, reader, settings, feed)
        maps = {product: map_file(scene, product, look, settings.staging) for product in settings.write}
        count = AreaCount(settings.ensemble.classes, scene.place.areas if scene.place is not None else None)
        on_stage("predicting")
        predicting: SceneBlender | WholeImage
        if settings.whole:
            predicting = WholeImage(scene, reader, settings.ensemble, feed, self._predictor)
        else:
            predicting = SceneBlender(
                scene, reader, settings.ensemble, feed, settings.overlap, self._predictor, settings.staging
            )
        with contextlib.closing(predicting.blocks(self._pool, settings.threads, self._on_tiles)) as blocks:
            for block in blocks:
                ids = class_ids(block)
                count.add(ids, block.window)
                for product, file in maps.items():
                    file.write(block.window, PRODUCTS[product].make(block, ids, look))
        return count.areas(scene.name, look.classes), maps


def feed_of(scene: Scene, reader: Reader, settings: Settings, used: Channels) -> Feed:
    """How the models are fed from this scene, of which they take the bands `used`."""
    members = settings.ensemble.members
    read = tuple(dict.fromkeys(channel for channels in used for channel in channels))
    tables = tuple(
        None if member.histogram == "none" else band_tables(scene, reader, channels, member)
        for member, channels in zip(members, used, strict=True)
    )
    places = tuple(tuple(map(read.index, channels)) for channels in used)
    return Feed(read, places, settings.scale, tables, shown="overlay" in settings.write)


def look_of(scene: Scene, reader: Reader, settings: Settings, feed: Feed) -> Look:
    """How the maps of this scene look: as the first of the models says."""
    first = settings.ensemble.members[0]
    red, green, blue = (feed.used[0][channel] for channel in first.rgb)
    shown = (red, green, blue)
    between = np.array([[0.0] * 3, [255.0] * 3])
    if "overlay" in settings.write and scene.dtype != "uint8":
        between = _limits(scene, reader, feed.read, shown)
    return Look(first.classes, first.colours, shown, between, transparent=scene.is_raster)


def _limits(scene: Scene, reader: Reader, read: tuple[int, ...], shown: tuple[int, int, int]) -> np.ndarray:
    """Of the values in some rows, where data are not missing."""
    samples = []
    for row in np.linspace(0, scene.height - 1, _LOOKED_AT).astype(int).tolist():
        window = Window(row, row + 1, 0, scene.width)
        pixels = reader.read(window, read)
        invalid = reader.invalid(pixels, window, read)
        missing = missing_pixels(invalid)
        known = marked(pixels, invalid)
        samples.append(known[:, np.ones(pixels.shape[1:], bool) if missing is None else ~missing])
    together = np.concatenate(samples, axis=1).T[None]
    return limits(together, shown) if together.size else np.array([[0.0] * 3, [1.0] * 3])
