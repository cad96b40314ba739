"""The references: what a network must beat to be worth its cost."""

from collections.abc import Mapping
from dataclasses import dataclass

COMMONEST_CLASS, LINEAR_PIXELS, LINEAR_IMAGES = "commonest_class", "linear_pixels", "linear_images"


@dataclass(frozen=True)
class Reference:
    """How people read of a reference."""

    title: str
    """Where its scores stand."""
    noun: str
    """In a sentence about it."""


REFERENCES: Mapping[str, Reference] = {
    COMMONEST_CLASS: Reference("always the commonest class", "a constant prediction of the commonest class"),
    LINEAR_PIXELS: Reference("a linear classifier of single pixels", "a linear classifier of single pixels"),
    LINEAR_IMAGES: Reference(
        "a linear classifier of band means and deviations", "a linear classifier of band means and deviations"
    ),
}
"""By the name under which a reference is stored. Data has the first and one of the others."""
