"""The images by which one of several files is selected: of the validation split, or without labels for calibration."""

import numpy as np

from segsweep.data.batches import pad
from segsweep.data.dataset import IGNORE, Dataset, Normalization, Split, sources_of, survey_of
from segsweep.data.independent_groups import independent_groups
from segsweep.quantization.range_selection import LEAST_IMAGES, MOST_IMAGES, MOST_VALUES, SelectionImages
from segsweep.tflite.interpreter import TFLiteModel

_AT_ONCE = 16


def selection_images(
    float_model: bytes, dataset: Dataset, normalization: Normalization, calibration: np.ndarray
) -> SelectionImages:
    """At most `MOST_IMAGES` images of the validation split, fewer where they are large.

    Which ones, and in which order, follows from what they hold and not from the order of the split.

    Args:
        float_model: the float32 file.
        dataset: with the validation split.
        normalization: of the file.
        calibration: (N, H, W, C) float32, normalized and padded: the calibration images.

    Raises:
        ModelError: the file does not take such images.
    """
    split, model = dataset.validation, TFLiteModel(float_model)
    by_pixel = model.output_size != (1, 1)
    metric = "mean_iou" if by_pixel else "accuracy"
    height, width = split.image_shape[:2] if by_pixel else (1, 1)
    if not survey_of(split).counts[:, :IGNORE].any():
        height, width = dataset.train.image_shape[:2] if by_pixel else (1, 1)
        labels = np.full((len(calibration), height, width), IGNORE, np.uint8)
        reference = model.predict(calibration)[:, :height, :width]
        return SelectionImages(
            calibration, labels, reference, len(dataset.classes), np.arange(len(calibration)), metric
        )
    count = max(MOST_VALUES // int(np.prod(model.input_shape)), LEAST_IMAGES)
    rows = _rows(split)[: min(count, MOST_IMAGES)]
    parts = [split.read(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)]
    padded = [pad(images, labels, model.input_shape[:2]) for images, labels in parts]
    images = np.concatenate([normalization.apply(each) for each, _ in padded])
    groups = independent_groups(split)[sources_of(split).of_item][rows]
    return SelectionImages(
        images=images,
        labels=np.concatenate([each[:, :height, :width] for _, each in padded]),
        reference=model.predict(images)[:, :height, :width],
        classes=len(dataset.classes),
        # Numbered as they come, so that nothing depends on how the split was ordered.
        groups=_numbered(groups),
        metric=metric,
    )


def _rows(split: Split) -> np.ndarray:
    """Indices of images, ordered by their digests: as good as a draw, and the same for any order of the split."""
    survey = survey_of(split)
    keys = [image.tobytes() + mask.tobytes() for image, mask in zip(survey.digests, survey.mask_digests, strict=True)]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def _numbered(groups: np.ndarray) -> np.ndarray:
    """Group numbers from 0 in the order in which they occur."""
    _, first, places = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[places.reshape(-1)]
