"""What candidates are made of and scored on: a float file, its calibration, and validation images in memory."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from segsweep.config.keys import content_key, versions
from segsweep.data.batches import evaluation_batches
from segsweep.data.dataset import Dataset, Normalization, sources_of
from segsweep.data.independent_groups import independent_groups
from segsweep.evaluation.confusion import count_confusions
from segsweep.quantization.post_training import Calibration
from segsweep.quantization.range_rules import MIN_MAX, RangeChoice
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata

DEFAULT_IMAGES = 256
"""Validation images at most."""
_BATCH = 16


@dataclass(frozen=True)
class Problem:
    """A float file, and what its candidates are scored on."""

    float_model: bytes = field(repr=False)
    calibration: Calibration = field(repr=False)
    """Taken once, over training images; all candidates are made with it."""
    images: np.ndarray = field(repr=False)
    """(N, H, W, C) float32 validation images, normalized and padded as the file takes them; the first few are spread
    over all of them."""
    labels: np.ndarray = field(repr=False)
    """(N, h, w) uint8, without the padding."""
    reference: np.ndarray = field(repr=False)
    """(N, h, w) uint8: what the float file predicts."""
    classes: int
    groups: np.ndarray = field(repr=False)
    """(N,) int64: equal for images that are not independent of each other."""
    metadata: Metadata | None
    """What the exported files say about themselves; None for a file that others made."""
    choice: RangeChoice = MIN_MAX
    """The rules of `calibration`."""

    @cached_property
    def reference_counts(self) -> np.ndarray:
        """(N, K, K) confusion counts of the float file."""
        return count_confusions(np.asarray(self.labels), np.asarray(self.reference), self.classes)

    @cached_property
    def key(self) -> str:
        """Equal where a candidate has equal results."""
        digest = hashlib.sha256(self.float_model)
        for array in (self.images, self.labels):
            digest.update(f"{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        libraries = versions("litert-quantizer", "ai-edge-litert")
        content = {"content": digest.hexdigest(), **calibration_key(self.calibration), "versions": libraries}
        if len(np.unique(self.groups)) < len(self.groups):
            content["groups"] = self.groups.tolist()
        return content_key(content)


def calibration_key(calibration: Calibration) -> dict[str, Any]:
    """What a key says of a calibration."""
    content = {"ranges": calibration.ranges}
    if calibration.whole is not None:
        content["whole"] = calibration.whole
    return {
        name: {tensor: list(limits) for tensor, limits in sorted(ranges.items())} for name, ranges in content.items()
    }


def problem_of(
    float_model: bytes,
    calibration: Calibration,
    dataset: Dataset,
    normalization: Normalization,
    metadata: Metadata | None,
    *,
    images: int = DEFAULT_IMAGES,
    choice: RangeChoice = MIN_MAX,
) -> Problem:
    """The problem of a float file, on so many images of the validation split, or all where there are fewer.

    Raises:
        ModelError: the file does not take such images.
    """
    split, model = dataset.validation, TFLiteModel(float_model)
    order = spread(len(split))[:images]
    by_pixel = model.output_size != (1, 1)
    height, width = split.image_shape[:2] if by_pixel else (1, 1)
    read, labelled, predicted = [], [], []
    batches = evaluation_batches(split, normalization, size=model.input_shape[:2], batch_size=_BATCH)
    wanted, start = set(order.tolist()), 0
    kept: list[int] = []
    for some, labels in batches:
        places = [place for place in range(len(some)) if start + place in wanted]
        start += len(some)
        if places:
            kept += [start - len(some) + place for place in places]
            read.append(some[places])
            labelled.append(labels[places][:, :height, :width])
            predicted.append(model.predict(some[places])[:, :height, :width])
    back = np.searchsorted(kept, order)
    return Problem(
        float_model=float_model,
        calibration=calibration,
        images=np.concatenate(read)[back],
        labels=np.concatenate(labelled)[back],
        reference=np.concatenate(predicted)[back],
        classes=len(dataset.classes),
        groups=independent_groups(split)[sources_of(split).of_item][order],
        metadata=metadata,
        choice=choice,
    )


def spread(count: int) -> np.ndarray:
    """All indices below `count`, so ordered that the first few of them are from all over; the same ones each time."""
    return np.random.default_rng(0).permutation(count)
