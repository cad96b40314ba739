"""Batches of one size from a split: padded, normalized, and for training shuffled and augmented.

Order and augmentation of an epoch depend on the seed, the epoch and the image's index alone, so a training that was
interrupted goes on as if it had not been.
"""

import functools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import ParamSpec, TypeVar

import numpy as np

from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.augmentation import Augmentation, draw
from segsweep.data.dataset import IGNORE, Normalization, Split
from segsweep.data.no_data import is_empty, missing_in
from segsweep.data.reading_ahead import AHEAD, read_ahead

Batch = tuple[np.ndarray, np.ndarray]
"""Images (B, H, W, C) float32, normalized, and labels (B, H, W) uint8."""

TaughtBatch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The same with the pixels that show something, (B, H, W) bool."""

_OF_UNLABELLED = 2**32
"""Added to the seed, unlabelled images have draws of their own."""

P = ParamSpec("P")
T = TypeVar("T")


def network_size(shapes: Iterable[tuple[int, int, int]], multiple: int) -> tuple[int, int]:
    """The smallest height and width that are multiples of `multiple` and hold images of all `shapes` (H, W, C)."""
    heights, widths, _ = zip(*shapes, strict=True)
    return -(-max(heights) // multiple) * multiple, -(-max(widths) // multiple) * multiple


def pad(images: np.ndarray, labels: np.ndarray, size: tuple[int, int]) -> Batch:
    """Images (N, H, W, C) and labels (N, H, W) made `size` (height, width) large, at the bottom and the right.

    Images go on by reflection, so that no edge appears that is not in the data; labels by `IGNORE`, but for those of
    whole images, (N, 1, 1), which stay.
    Raises ValueError where `size` is smaller than the images.
    """
    below, right = size[0] - images.shape[1], size[1] - images.shape[2]
    if below == right == 0:
        return images, labels
    edges = ((0, 0), (0, below), (0, right))
    padded = np.pad(images, (*edges, (0, 0)), mode="reflect")
    if labels.shape[1:] != images.shape[1:3]:
        return padded, labels
    return padded, np.pad(labels, edges, constant_values=IGNORE)


def _ahead(make: Callable[P, Generator[T, None, None]]) -> Callable[P, Iterator[T]]:
    """Has the batches of `make` made in a background thread, some before they are asked for.

    What fails there is raised where they are asked for; closing the iterator ends the thread.
    """

    @functools.wraps(make)
    def made(*args: P.args, **settings: P.kwargs) -> Iterator[T]:
        return _made_ahead(make(*args, **settings))

    return made


@_ahead
def training_batches(
    split: Split,
    normalization: Normalization,
    *,
    size: tuple[int, int],
    batch_size: int,
    augmentation: AugmentationConfig,
    seed: int,
    epoch: int,
) -> Generator[Batch, None, None]:
    """The batches of one epoch, each image once; the last batch holds what is left and may be smaller."""
    drawn = draw(len(split), augmentation, square=size[0] == size[1], seed=seed, epoch=epoch)
    order = [drawn.order[start : start + batch_size] for start in range(0, len(split), batch_size)]
    for images, labels, _ in _drawn(split, order, drawn, normalization, size):
        yield images, labels


@_ahead
def taught_batches(
    split: Split,
    normalization: Normalization,
    *,
    unlabelled: Split | None,
    size: tuple[int, int],
    batch_size: int,
    augmentation: AugmentationConfig,
    seed: int,
    epoch: int,
) -> Generator[TaughtBatch, None, None]:
    """The batches of :func:`training_batches`, with unlabelled images behind those of each, and what pixels show.

    An epoch has as many batches as without unlabelled images. These are spread evenly over them, each at most once, and
    no more of them than there are labelled ones: of a larger number, every epoch draws others. All their labels are
    `IGNORE`. Neither padding shows anything, nor a pixel without data, nor what lies outside of an image made smaller.
    """
    square = size[0] == size[1]
    drawn = draw(len(split), augmentation, square=square, seed=seed, epoch=epoch)
    order = [drawn.order[start : start + batch_size] for start in range(0, len(split), batch_size)]
    labelled = _drawn(split, order, drawn, normalization, size, shown=True)
    if unlabelled is None:
        yield from labelled
        return
    others = draw(len(unlabelled), augmentation, square=square, seed=seed + _OF_UNLABELLED, epoch=epoch)
    shares = np.array_split(others.order[: len(split)], len(order))
    further = _drawn(unlabelled, [each for each in shares if len(each)], others, normalization, size, shown=True)
    for batch in labelled:
        more = next(further, None)
        if more is not None:
            images, labels, seen = (np.concatenate(parts) for parts in zip(batch, more, strict=True))
            batch = images, labels, seen
        yield batch


def _drawn(
    split: Split,
    order: Sequence[np.ndarray],
    drawn: Augmentation,
    normalization: Normalization,
    size: tuple[int, int],
    *,
    shown: bool = False,
) -> Iterator[TaughtBatch]:
    """Batches of the images whose indices are in `order`, changed as drawn; what pixels show where `shown`."""
    for indices, images, labels in read_ahead(split, order):
        shape = images.shape[1:3]
        images, labels = drawn.change(indices, *pad(images, labels, size))
        seen = _seen(indices, images, labels, drawn, shape) if shown else np.empty(0, bool)
        yield drawn.recolour(indices, normalization.apply(images), normalization.unit, missing_in(images)), labels, seen


def _seen(
    indices: np.ndarray, images: np.ndarray, labels: np.ndarray, drawn: Augmentation, shape: tuple[int, ...]
) -> np.ndarray:
    """Which pixels of changed images (N, H, W, C) show something, of the shape of their labels, bool.

    `shape` is height and width of the images before they were padded.
    """
    seen = np.ones(labels.shape, bool)
    if labels.shape != images.shape[:3]:
        return seen
    if shape != images.shape[1:3] or drawn.scale is not None:
        outside = np.full(labels.shape, IGNORE, np.uint8)
        outside[:, : shape[0], : shape[1]] = 0
        seen = drawn.change(indices, outside[..., np.newaxis], outside)[1] != IGNORE
    empty = is_empty(images)
    return seen if empty is None else seen & ~empty


@_ahead
def evaluation_batches(
    split: Split, normalization: Normalization, *, size: tuple[int, int], batch_size: int
) -> Generator[Batch, None, None]:
    """All images of the split, in order."""
    every = np.arange(len(split))
    order = [every[start : start + batch_size] for start in range(0, len(split), batch_size)]
    for _, images, labels in read_ahead(split, order):
        images, labels = pad(images, labels, size)
        yield normalization.apply(images), labels


def _made_ahead(batches: Generator[T, None, None]) -> Iterator[T]:
    """The same batches, the next `AHEAD` of them made by a thread."""
    with closing(batches), ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        pending = deque(thread.submit(next, batches, None) for _ in range(AHEAD))
        try:
            while (batch := pending.popleft().result()) is not None:
                pending.append(thread.submit(next, batches, None))
                yield batch
        finally:
            for future in pending:
                future.cancel()
