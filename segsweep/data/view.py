"""From where images were taken, and what augmentation may make of them for that reason.

Images taken from above have no upper side: each mirror image and each turn of them could have been taken as well. Of a
photograph, only the mirror image left to right could; turned upside down, it shows what never occurs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from segsweep.config.training_schema import AUTO, AugmentationConfig

_BANDS_OF_PICTURES = 4
"""Red, green, blue and transparency; images of more bands are taken from above."""


@dataclass(frozen=True)
class View:
    """From where the images of a data set were taken."""

    name: str
    """`nadir` or `upright`, as in `data.view`."""
    is_guess: bool = False
    """Whether the files do not say so."""


NADIR = View("nadir")
UPRIGHT = View("upright")
PICTURES = View("upright", is_guess=True)
"""Of images that could be either."""
NOTE = "taken as upright photographs; data.view=nadir if seen from above"
"""What is said of `PICTURES`, where anything follows from it."""

SUITED: Mapping[str, Mapping[str, Any]] = {
    "nadir": {"flips": True, "turns": True},
    "upright": {"flips": "horizontal", "turns": False},
}
"""By view, what `auto` stands for in `training.augmentation`."""


def view_of_bands(bands: int) -> View:
    """Of images of which no more is known than how many bands they have."""
    return NADIR if bands > _BANDS_OF_PICTURES else PICTURES


def suited(settings: AugmentationConfig, view: View) -> AugmentationConfig:
    """The settings with each `auto` replaced by what suits images of this view."""
    chosen = {name: value for name, value in SUITED[view.name].items() if getattr(settings, name) == AUTO}
    return replace(settings, **chosen)


def is_open(settings: AugmentationConfig) -> bool:
    """Whether anything in the settings follows from the view."""
    return AUTO in (settings.flips, settings.turns)
