"""A picture of what augmentation makes of some training images."""

import numpy as np

from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.augmentation import draw
from segsweep.data.batches import pad
from segsweep.data.dataset import Dataset
from segsweep.data.no_data import missing_in
from segsweep.data.pictures import coloured, limits, mosaic, png, true_colour

_IMAGES = 3
_EPOCHS = 4
_WIDTH = 1200


def augmented_picture(dataset: Dataset, settings: AugmentationConfig, *, size: tuple[int, int], seed: int) -> bytes:
    """A PNG: a row an image, first as it is, then as the training sees it in its first epochs, beside its labels.

    `size` (height, width) and `seed` are those of the training.
    """
    indices = np.unique(np.linspace(0, len(dataset.train) - 1, _IMAGES).round().astype(int))
    originals, labels = pad(*dataset.train.read(indices), size)
    normalized = dataset.normalization.apply(originals)
    between = [limits(image, dataset.rgb) for image in normalized]
    rows: list[list[np.ndarray]] = [[] for _ in indices]

    def add(images: np.ndarray, truths: np.ndarray) -> None:
        for row, image, truth, limit in zip(rows, images, truths, between, strict=True):
            row += [true_colour(image, dataset.rgb, limit), coloured(truth, dataset.palette)]

    add(normalized, labels)
    for epoch in range(1, _EPOCHS + 1):
        drawn = draw(len(dataset.train), settings, square=size[0] == size[1], seed=seed, epoch=epoch)
        images, changed = drawn.change(indices, originals, labels)
        values = dataset.normalization.apply(images)
        add(drawn.recolour(indices, values, dataset.normalization.unit, missing_in(images)), changed)
    return png(mosaic(rows, _WIDTH))
