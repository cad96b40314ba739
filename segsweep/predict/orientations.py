"""The right-angle orientations of an image: what test-time augmentation predicts it in."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """Mirrored or not, then turned."""

    mirrored: bool
    turns: int
    """Quarter turns, counter-clockwise."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        """A view of an image (H, W, C)."""
        if self == AS_IT_IS:
            return image
        return np.rot90(image[:, ::-1] if self.mirrored else image, self.turns, axes=(0, 1))

    def undo(self, image: np.ndarray) -> np.ndarray:
        """A view of what belongs to the changed image, (H, W, K), as it belongs to the image itself."""
        if self == AS_IT_IS:
            return image
        back = np.rot90(image, -self.turns, axes=(0, 1))
        return back[:, ::-1] if self.mirrored else back


AS_IT_IS = Orientation(False, 0)


def orientations(square: bool) -> tuple[Orientation, ...]:
    """All eight; of images that are not square, the four that keep their shape."""
    return tuple(
        Orientation(mirrored, turns) for mirrored in (False, True) for turns in (range(4) if square else (0, 2))
    )
