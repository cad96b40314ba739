"""What can be made of a predicted part of a scene: class ids, colours, probabilities, and colours over the scene."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.data.pictures import GREY, true_colour
from segsweep.predict.ensemble import largest
from segsweep.predict.scene_parts import Block

_OVERLAY_SHARE = 0.45
"""How much of the class's colour there is in an overlay."""


@dataclass(frozen=True)
class Look:
    """How the maps of a scene look."""

    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    """(red, green, blue) by class."""
    rgb: tuple[int, int, int]
    """Which of the bands read are shown as red, green and blue."""
    limits: np.ndarray
    """(2, 3): which of their values are shown black and at full brightness."""
    transparent: bool
    """Whether colours have a fourth band, 0 where data are missing; without it, that is grey."""


@dataclass(frozen=True)
class Product:
    """One kind of map."""

    bands: Callable[[Look], int]
    dtype: str
    nodata: float | None
    """Its value where data are missing; None where it says so by a transparent band."""
    make: Callable[[Block, np.ndarray, Look], np.ndarray]
    """From a block and its class ids to (bands, h, w)."""


def class_ids(block: Block) -> np.ndarray:
    """The most probable class of each pixel, (h, w) uint8; `IGNORE` where data are missing."""
    ids = largest(block.probabilities)
    if block.missing is not None:
        ids[block.missing] = IGNORE
    return ids


def _ids(block: Block, ids: np.ndarray, look: Look) -> np.ndarray:
    return ids[None]


def _colours(block: Block, ids: np.ndarray, look: Look) -> np.ndarray:
    table = np.full((IGNORE + 1, 3), GREY, np.uint8)
    table[: len(look.colours)] = look.colours
    return _with_transparency(np.moveaxis(table[ids], -1, 0), block, look)


def _probabilities(block: Block, ids: np.ndarray, look: Look) -> np.ndarray:
    if block.missing is None:
        return block.probabilities
    return np.where(block.missing, np.float32(np.nan), block.probabilities)


def _overlay(block: Block, ids: np.ndarray, look: Look) -> np.ndarray:
    pixels = np.moveaxis(block.pixels, 0, -1)
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(pixels, posinf=0, neginf=0)
    shown = np.moveaxis(true_colour(pixels, look.rgb, look.limits), -1, 0)
    colours = _colours(block, ids, look)
    mixed = (1 - _OVERLAY_SHARE) * shown + _OVERLAY_SHARE * colours[:3]
    return np.concatenate([mixed.astype(np.uint8), colours[3:]])


def _with_transparency(colours: np.ndarray, block: Block, look: Look) -> np.ndarray:
    if not look.transparent:
        return colours
    there = np.full((1, *colours.shape[1:]), 255, np.uint8)
    if block.missing is not None:
        there[0, block.missing] = 0
    return np.concatenate([colours, there])


def _colour_bands(look: Look) -> int:
    return 4 if look.transparent else 3


PRODUCTS: Mapping[str, Product] = {
    "ids": Product(lambda look: 1, "uint8", IGNORE, _ids),
    "colours": Product(_colour_bands, "uint8", None, _colours),
    "probabilities": Product(lambda look: len(look.classes), "float32", float("nan"), _probabilities),
    "overlay": Product(_colour_bands, "uint8", None, _overlay),
}
"""By the names in `request.PRODUCTS`."""
