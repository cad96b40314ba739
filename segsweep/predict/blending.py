"""Predicting a scene tile by tile: all cores at work, tiles blended, rows given away as soon as they are whole.

Of a scene there is never more in memory than a strip: some tiles side by side, one above the other in turns. Where two
strips overlap, what the left one leaves unfinished waits in a file for the right one.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.predict.carried_sums import CarriedSums
from segsweep.predict.ensemble import Ensemble, TilePredictor
from segsweep.predict.scene import Reader, Scene, Window, missing_pixels
from segsweep.predict.scene_parts import Block, Feed
from segsweep.predict.tiling import blending_weights, positions, weigh

_STRIP = 1536
"""Pixels by which strips follow each other, or a tile where that is more."""
_TASK = 2**16
"""Pixels of the tiles that a thread is given at a time: with fewer, handing them out would take longer than they do."""
_AHEAD = 2
"""Rows of tiles that wait while one is blended: reading takes long where blocks of a file begin."""


@dataclass(frozen=True)
class _Strip:
    columns: np.ndarray
    """Where its tiles begin in the scene."""
    weights: np.ndarray
    """(tiles, width of a tile)."""
    left: int
    right: int
    """From the first tile to the end of the last one."""
    whole: int
    """From here on the next strip has a part in it."""


@dataclass(frozen=True)
class _Row:
    """A row of tiles in a strip."""

    number: int
    strip: _Strip
    pixels: np.ndarray
    """(C, h, w), padded where the scene is smaller than a tile; of no band where they are not wanted."""
    missing: np.ndarray | None
    prepared: list[np.ndarray]
    """For each model (h, w, C)."""
    tasks: list[tuple[range, "Future[np.ndarray | None]"]]


class SceneBlender:
    """Predicts one scene."""

    def __init__(
        self,
        scene: Scene,
        reader: Reader,
        ensemble: Ensemble,
        feed: Feed,
        overlap: float,
        predictor: TilePredictor,
        staging: Path,
    ):
        self._scene, self._reader, self._ensemble, self._feed = scene, reader, ensemble, feed
        self._predictor, self._staging = predictor, staging
        self._tile = ensemble.tile
        pixels = [round(side * overlap) for side in self._tile]
        self._rows = positions(scene.height, self._tile[0], pixels[0])
        self._columns = positions(scene.width, self._tile[1], pixels[1])
        self._row_weights = blending_weights(self._rows, self._tile[0], pixels[0])
        self._column_weights = blending_weights(self._columns, self._tile[1], pixels[1])

    @property
    def tiles(self) -> int:
        """How many there are."""
        return len(self._rows) * len(self._columns)

    def blocks(
        self, pool: ThreadPoolExecutor, threads: int, on_tiles: Callable[[int], None]
    ) -> Generator[Block, None, None]:
        """The scene in parts that do not overlap and leave nothing out.

        Args:
            pool: of `threads` threads.
            threads: how many tiles are predicted at a time.
            on_tiles: called with how many tiles were finished since the last call.
        """
        waiting: deque[_Row] = deque()
        sums = _Sums(self)
        for row in self._submitted(pool):
            waiting.append(row)
            while len(waiting) > _AHEAD and sum(len(each.tasks) for each in waiting) >= 2 * threads:
                yield sums.finished(waiting.popleft(), on_tiles)
        while waiting:
            yield sums.finished(waiting.popleft(), on_tiles)

    def _strips(self) -> list[_Strip]:
        tile = self._tile[1]
        step = int(self._columns[1] - self._columns[0]) if len(self._columns) > 1 else tile
        count = max(1, _STRIP // step)
        strips = []
        for first in range(0, len(self._columns), count):
            columns = self._columns[first : first + count]
            right = int(columns[-1]) + tile
            following = first + count < len(self._columns)
            whole = int(self._columns[first + count]) if following else right
            strips.append(_Strip(columns, self._column_weights[first : first + count], int(columns[0]), right, whole))
        return strips

    def _submitted(self, pool: ThreadPoolExecutor) -> Iterator[_Row]:
        for strip in self._strips():
            before: _Row | None = None
            for number in range(len(self._rows)):
                row = self._read(strip, number, before)
                together = max(1, _TASK // (self._tile[0] * self._tile[1]))
                for first in range(0, len(strip.columns), together):
                    tiles = range(first, min(first + together, len(strip.columns)))
                    row.tasks.append((tiles, pool.submit(self._predicted, row, tiles)))
                yield row
                before = row

    def _read(self, strip: _Strip, number: int, before: _Row | None) -> _Row:
        """Reads and prepares what the row before does not have already."""
        top, height = int(self._rows[number]), self._tile[0]
        kept = int(self._rows[number - 1]) + height - top if before is not None else 0
        right = min(strip.right, self._scene.width)
        window = Window(top + kept, min(top + height, self._scene.height), strip.left, right)
        pixels = self._reader.read(window, self._feed.read)
        invalid = self._reader.invalid(pixels, window, self._feed.read)
        pixels, invalid = self._padded(pixels, invalid, height - kept, strip.right - strip.left)
        missing = missing_pixels(invalid)
        prepared: list[np.ndarray] = []
        for member, used, tables in zip(self._ensemble.members, self._feed.used, self._feed.tables, strict=True):
            own = np.empty((height, pixels.shape[2], member.shape[2]), member.takes.dtype)
            if before is not None:
                own[:kept] = before.prepared[len(prepared)][height - kept :]
            gone = None if invalid is None else _bands(invalid, used)
            member.prepared(_bands(pixels, used), gone, self._feed.scale, tables, out=own[kept:])
            prepared.append(own)
        if not self._feed.shown:
            # Not a part of them, which would keep all of them in memory.
            pixels = np.zeros((0, *pixels.shape[1:]), pixels.dtype)
        if before is not None and kept:
            missing = _joined(before.missing, missing, kept, pixels.shape[1:])
            pixels = np.concatenate([before.pixels[:, -kept:], pixels], axis=1)
        return _Row(number, strip, pixels, missing, prepared, [])

    @staticmethod
    def _padded(
        pixels: np.ndarray, invalid: np.ndarray | None, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """At the bottom and the right by reflection, as the data sets of the training are."""
        below, right = height - pixels.shape[1], width - pixels.shape[2]
        if below == right == 0:
            return pixels, invalid
        edges = ((0, 0), (0, below), (0, right))
        pixels = np.pad(pixels, edges, mode="reflect")
        return pixels, None if invalid is None else np.pad(invalid, edges, mode="reflect")

    def _predicted(self, row: _Row, tiles: range) -> np.ndarray | None:
        """The planes of some tiles side by side, weighted and added up; None where all of them is missing."""
        width = self._tile[1]
        starts = row.strip.columns - row.strip.left
        places = {tile: slice(int(starts[tile]), int(starts[tile]) + width) for tile in tiles}
        if row.missing is not None:
            places = {tile: place for tile, place in places.items() if not row.missing[:, place].all()}
        if not places:
            return None
        planes = self._predictor.planes([[each[:, place] for place in places.values()] for each in row.prepared])
        weigh(planes, self._row_weights[row.number][:, None], axis=-2)
        weigh(planes, row.strip.weights[list(places)][:, None, :], axis=-1)
        left, right = int(starts[tiles[0]]), int(starts[tiles[-1]]) + width
        if len(tiles) == 1:
            return planes[:, 0]
        total = np.zeros((len(planes), self._tile[0], right - left), np.float32)
        for number, place in enumerate(places.values()):
            total[:, :, place.start - left : place.stop - left] += planes[:, number]
        return total


class _Sums:
    """Adds up what the tiles of a strip say about each pixel."""

    def __init__(self, blender: SceneBlender):
        self._blender = blender
        self._carried: CarriedSums | None = None
        self._next: CarriedSums | None = None
        self._sums = np.zeros((0, 0, 0), np.float32)

    def finished(self, row: _Row, on_tiles: Callable[[int], None]) -> Block:
        """Waits for the row's tiles; gives what no further row has a part in."""
        blender, strip = self._blender, row.strip
        if row.number == 0:
            self._begin(strip)
        for tiles, task in row.tasks:
            planes = task.result()
            if planes is not None:
                left = int(strip.columns[tiles[0]]) - strip.left
                self._sums[:, :, left : left + planes.shape[2]] += planes
            on_tiles(len(tiles))
        height, scene = blender._tile[0], blender._scene
        top = int(blender._rows[row.number])
        last = row.number == len(blender._rows) - 1
        bottom = scene.height if last else int(blender._rows[row.number + 1])
        rows = bottom - top
        done = self._sums[:, :rows]
        if self._carried is not None:
            done[:, :, : self._carried.width] += self._carried.read(top, rows)
        if self._next is not None:
            self._next.write(top, done[:, :, strip.whole - strip.left :])
        width = min(strip.whole, scene.width) - strip.left
        window = Window(top, bottom, strip.left, strip.left + width)
        probabilities = blender._ensemble.combined(done[:, :, :width].copy())
        if not last:
            # What is left moves up; below it the next row begins anew.
            self._sums[:, : height - rows] = self._sums[:, rows:].copy()
            self._sums[:, height - rows :] = 0
        missing = None if row.missing is None else row.missing[:rows, :width]
        return Block(window, row.pixels[:, :rows, :width], probabilities, missing)

    def _begin(self, strip: _Strip) -> None:
        blender = self._blender
        self._carried = self._next
        overlapping = strip.right - strip.whole
        planes = blender._ensemble.planes
        self._next = CarriedSums(blender._staging, planes, overlapping) if overlapping else None
        self._sums = np.zeros((planes, blender._tile[0], strip.right - strip.left), np.float32)


def _bands(pixels: np.ndarray, used: tuple[int, ...]) -> np.ndarray:
    return pixels if used == tuple(range(len(pixels))) else pixels[list(used)]


def _joined(above: np.ndarray | None, below: np.ndarray | None, kept: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """What is missing in the last `kept` rows of `above` and in `below`, which has this shape."""
    if above is None and below is None:
        return None
    parts = [
        above[-kept:] if above is not None else np.zeros((kept, shape[1]), bool),
        below if below is not None else np.zeros(shape, bool),
    ]
    joined = np.concatenate(parts)
    return joined if joined.any() else None
