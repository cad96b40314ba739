"""From what masks hold to the labels of the classes: naming, merging, ignoring."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.data.palette import palette
from segsweep.errors import ConfigError, DataError

Colour = tuple[int, int, int]

NO_LABEL = -(2**31)
"""Stands in the numbers of a mask for a pixel that the file declares as nodata; it counts nowhere."""


def merged_classes(
    names: Sequence[str], merge: Mapping[str, Sequence[str]], ignore: Iterable[str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The classes after merging and ignoring, and for each of `names` its label, `IGNORE` where it counts nowhere.

    Args:
        names: the classes in the data, in label order.
        merge: new class to old ones. It takes the place of the first of them.
        ignore: classes, by their old or new name.

    Raises:
        ConfigError: a class is merged or ignored that there is not, or merged twice, or fewer than 2 remain.
        DataError: two classes have one name, or there are too few or too many.
    """
    _require_names(names)
    becomes: dict[str, str] = {}
    for new, olds in merge.items():
        for old in olds:
            if old not in names:
                raise ConfigError(f"data.merge: {new} is made of {old}, {_no_class(old, names)}")
            if old in becomes:
                raise ConfigError(f"data.merge: {old} is part of {becomes[old]} and of {new}; name it once")
            becomes[old] = new
    left_out = set(ignore)
    for name in left_out:
        if name not in names and name not in becomes.values():
            raise ConfigError(f"data.ignore: {name} {_no_class(name, names)}")
    finals = [None if {name, becomes.get(name, name)} & left_out else becomes.get(name, name) for name in names]
    classes = tuple(dict.fromkeys(name for name in finals if name is not None))
    if len(classes) < 2:
        raise ConfigError(
            f"data.merge, data.ignore: of {len(names)} classes {len(classes)} remain; at least 2 are needed"
        )
    return classes, tuple(IGNORE if name is None else classes.index(name) for name in finals)


def _require_names(names: Sequence[str]) -> None:
    if len(set(names)) != len(names) or not 2 <= len(names) <= IGNORE:
        raise DataError(
            f"data.classes: {len(names)} names, {len(set(names))} different ones; "
            f"2 to {IGNORE} different names are needed"
        )


def _no_class(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"which is no class; did you mean {close[0]}?" if close else f"which is no class of {', '.join(names)}"


@dataclass(frozen=True)
class Labelling:
    """What the numbers in masks mean."""

    stored: tuple[tuple[str, int], ...]
    """Names and numbers in masks: ids, or colours as 0xRRGGBB."""
    labels: tuple[int, ...]
    """The label of each, `IGNORE` where it counts nowhere."""
    void: tuple[int, ...]
    """Numbers that count nowhere and belong to no class."""
    coloured: bool
    """Whether masks hold colours."""
    classes: tuple[str, ...]
    """In label order."""
    palette: tuple[Colour, ...] = field(repr=False)
    """A colour for each class."""
    tolerance: int = 0
    """Largest difference of red, green and blue from a colour that counts as that colour."""

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """For each number in masks, its label (uint8) and whether it is known (bool)."""
        length = 2**24 if self.coloured else 2**16
        labels, known = np.full(length, IGNORE, np.uint8), np.zeros(length, bool)
        values = [value for _, value in self.stored]
        void = [value for value in self.void if 0 <= value < length]
        labels[values] = self.labels
        labels[void] = IGNORE
        known[[*values, *void]] = True
        return labels, known

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Labels (H, W) uint8 of the numbers (H, W) in a mask; what is unknown counts nowhere."""
        table, _ = self._tables
        labels = np.take(table, values, mode="clip")
        if values.min(initial=0) < 0 or values.max(initial=0) >= len(table):
            labels[(values < 0) | (values >= len(table))] = IGNORE
        if self.tolerance:
            off = ~np.take(self._tables[1], values, mode="clip") & (values != NO_LABEL)
            found, places = np.unique(values[off], return_inverse=True)
            nearest = self._nearest(found)
            labels[off] = np.where(nearest < 0, IGNORE, np.take(self.labels, nearest))[places.reshape(-1)]
        return labels

    def _nearest(self, found: np.ndarray) -> np.ndarray:
        """For each of these colours (n,), the index in `stored` of the nearest within the tolerance; -1 for none."""
        known = np.array([value for _, value in self.stored])
        apart = np.stack([(found[:, None] >> shift & 255) - (known >> shift & 255) for shift in (0, 8, 16)])
        far = np.abs(apart).max(axis=0) > self.tolerance
        distances = np.where(far, np.iinfo(np.int64).max, np.square(apart.astype(np.int64)).sum(axis=0))
        return np.where(far.all(axis=1), -1, distances.argmin(axis=1))

    def unknown(self, values: np.ndarray) -> np.ndarray:
        """The numbers (n,) that are in a mask and mean nothing, one for each pixel."""
        _, known = self._tables
        wrong = ~np.take(known, values, mode="clip") | (values < 0) | (values >= len(known))
        found = values[wrong]
        found = found[found != NO_LABEL]
        if self.tolerance:
            different, places = np.unique(found, return_inverse=True)
            return found[(self._nearest(different) < 0)[places.reshape(-1)]]
        return found[~np.isin(found, self.void)]

    def describe(self, value: int) -> str:
        """A number in a mask, as people write it."""
        return hexadecimal(value) if self.coloured else str(value)

    def expected(self, value: int) -> str:
        """What would be right in place of the unknown `value`."""
        if not self.coloured:
            known = ", ".join(f"{number} {name}" for name, number in self.stored[:12])
            return f"the ids are {known}{', ...' if len(self.stored) > 12 else ''}"
        name, nearest = min(self.stored, key=lambda each: _distance(each[1], value))
        return f"the nearest in data.palette is {name} {hexadecimal(nearest)}"


def labelling(
    stored: Mapping[str, int],
    *,
    merge: Mapping[str, Sequence[str]],
    ignore: Iterable[str],
    ignore_label: int | None,
    coloured: bool = False,
    colours: Sequence[Colour] | None = None,
    tolerance: int = 0,
) -> Labelling:
    """The labelling of masks that hold these numbers.

    Args:
        stored: names of the classes and their numbers in masks.
        merge: as in `merged_classes`.
        ignore: as in `merged_classes`.
        ignore_label: a number that counts nowhere.
        coloured: whether the numbers are colours.
        colours: of `stored`; default their own, or a palette.
        tolerance: largest difference of red, green and blue from a colour that counts as that colour.
    """
    classes, labels = merged_classes(list(stored), merge, ignore)
    if coloured:
        colours = [(value >> 16, value >> 8 & 255, value & 255) for value in stored.values()]
    chosen = palette(len(classes)) if colours is None else tuple(colours[labels.index(i)] for i in range(len(classes)))
    void = () if ignore_label is None else (ignore_label,)
    return Labelling(tuple(stored.items()), labels, void, coloured, classes, chosen, tolerance)


def parse_colour(text: str, setting: str) -> int:
    """0xRRGGBB of `#RRGGBB`."""
    digits = text.removeprefix("#")
    try:
        value = int(digits, 16)
    except ValueError:
        value = -1
    if len(digits) != 6 or value < 0:
        raise ConfigError(f'{setting}={text} is no colour; it must be like "#3C1098", in quotes')
    return value


def hexadecimal(colour: int) -> str:
    """`#RRGGBB`."""
    return f"#{colour:06X}"


def _distance(one: int, other: int) -> int:
    return sum((((one >> shift) & 255) - ((other >> shift) & 255)) ** 2 for shift in (0, 8, 16))
