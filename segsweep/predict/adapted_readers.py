"""Scenes that are read otherwise than they are stored: turned upright, or with the scale that their file declares."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import numpy as np

from segsweep.data.declared_scale import DeclaredScale
from segsweep.data.orientation import exchanges_sides, stored, stored_box, turned
from segsweep.predict.member import Member
from segsweep.predict.request import Request
from segsweep.predict.scene import Reader, Scene, Window, either, not_finite

Opened = Callable[[], AbstractContextManager[Reader]]


def turned_scene(scene: Scene, orientation: int) -> Scene:
    """A scene whose file is stored with this orientation, upright. Only for scenes without a place on Earth."""
    height, width = scene.height, scene.width
    upright = (width, height) if exchanges_sides(orientation) else (height, width)
    return replace(
        scene,
        height=upright[0],
        width=upright[1],
        opened=_adapted(scene.opened, lambda reader: _TurnedReader(reader, orientation, *upright)),
        turned=True,
    )


def scaled_scene(scene: Scene, scale: DeclaredScale) -> Scene:
    """A scene whose file declares a scale, with the numbers that are meant; as it is stored in `as_stored`."""
    return replace(
        scene,
        dtype="float32",
        opened=_adapted(scene.opened, lambda reader: _ScaledReader(reader, scale)),
        as_stored=scene,
    )


def suited(scene: Scene, members: Sequence[Member], request: Request) -> Scene:
    """The scene with its numbers as these models take them, where its file declares a scale.

    Those that are stored, where `--scale` was given or all models were trained on integers, as such files were read
    when nobody asked what they declare; else those that are meant.
    """
    raw = scene.as_stored
    if raw is None:
        return scene
    declares = f"{scene.path}: declares a scale or an offset of its values"
    if request.scale is not None:
        return raw
    if all(member.dtype and np.dtype(member.dtype).kind in "ui" for member in members):
        kinds = " and ".join(sorted({member.dtype for member in members}))
        note = f"{declares}, which is not applied, since the model was trained on {kinds}, numbers as they are stored"
        return replace(raw, notes=(*raw.notes, note))
    note = f"{declares}, which is applied; --scale 1 takes them as they are stored"
    return replace(scene, notes=(*scene.notes, note))


def _adapted(opened: Opened, adapt: Callable[[Reader], Reader]) -> Opened:
    @contextmanager
    def reading() -> Iterator[Reader]:
        with opened() as reader:
            yield adapt(reader)

    return reading


class _TurnedReader:
    """Reads upright what another reader reads as it is stored."""

    def __init__(self, reader: Reader, orientation: int, height: int, width: int):
        """`height` and `width` of the upright scene."""
        self._reader, self._orientation = reader, orientation
        self._height, self._width = height, width

    def read(self, window: Window, channels: tuple[int, ...]) -> np.ndarray:
        return self._upright(self._reader.read(self._stored(window), channels))

    def invalid(self, pixels: np.ndarray, window: Window, channels: tuple[int, ...]) -> np.ndarray | None:
        as_stored = np.moveaxis(stored(np.moveaxis(pixels, 0, -1), self._orientation), -1, 0)
        invalid = self._reader.invalid(as_stored, self._stored(window), channels)
        return None if invalid is None else self._upright(invalid)

    def _upright(self, bands: np.ndarray) -> np.ndarray:
        """Bands (C, h, w) as they are stored, turned."""
        return np.ascontiguousarray(np.moveaxis(turned(np.moveaxis(bands, 0, -1), self._orientation), -1, 0))

    def _stored(self, window: Window) -> Window:
        """Where the pixels of a window lie in the stored scene."""
        box = (window.top, window.bottom, window.left, window.right)
        return Window(*stored_box(box, (self._height, self._width), self._orientation))


class _ScaledReader:
    """Gives the numbers that are meant, float32, of what another reader reads as it is stored."""

    def __init__(self, reader: Reader, scale: DeclaredScale):
        self._reader, self._scale = reader, scale
        self._last = np.zeros((0, 0, 0))
        """As stored, what was read last: which pixels have no data is said in stored numbers."""

    def read(self, window: Window, channels: tuple[int, ...]) -> np.ndarray:
        self._last = self._reader.read(window, channels)
        return self._scale.apply(self._last, channels)

    def invalid(self, pixels: np.ndarray, window: Window, channels: tuple[int, ...]) -> np.ndarray | None:
        assert self._last.shape == pixels.shape
        # A large number that is scaled may be beyond 32-bit floats.
        return either(self._reader.invalid(self._last, window, channels), not_finite(pixels))
