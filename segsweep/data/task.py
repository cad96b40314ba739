"""What is told of an image: a class for each of its pixels, or one for all of it.

The label of a whole image is a mask of one pixel, and so are its logits: losses, counts and scores need no other form.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """How large the labels of an image are."""

    name: str
    by_pixel: bool
    """Whether each pixel has a class of its own."""

    def label_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the labels, and of the logits, of images with that height and width."""
        return size if self.by_pixel else (1, 1)


SEGMENTATION = Task("segmentation", by_pixel=True)
CLASSIFICATION = Task("classification", by_pixel=False)
