"""What a `.tflite` file answers for images in memory: confusion counts, and how many predictions are as in float32."""

from dataclasses import dataclass, field

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.errors import ModelError
from segsweep.evaluation.confusion import count_confusions
from segsweep.tflite.interpreter import TFLiteModel

_BATCH = 8
NOT_FINITE = "it answers with numbers that are not finite"


@dataclass(frozen=True)
class FileAnswers:
    """Counts over N images; pixels of padding count nowhere."""

    by_image: np.ndarray = field(repr=False)
    """(N, K, K) int64 confusion counts; rows truth."""
    same: int
    """Pixels with the class that the reference gives them, whether they have a label or not."""
    same_counted: int
    """The same among pixels that have a label."""
    pixels: int
    """All pixels."""

    @property
    def agreement(self) -> float:
        """Share of all pixels with the class that the reference gives them; NaN without a pixel."""
        return self.same / self.pixels if self.pixels else float("nan")

    @property
    def counted_agreement(self) -> float:
        """The same of the pixels that have a label."""
        total = int(self.by_image.sum())
        return self.same_counted / total if total else float("nan")


def file_answers(
    content: bytes, images: np.ndarray, labels: np.ndarray, reference: np.ndarray, classes: int
) -> FileAnswers:
    """Run a file on images and count.

    Args:
        content: the file.
        images: (N, H, W, C) float32, normalized and padded as the file takes them.
        labels: (N, h, w) uint8, without the padding; `IGNORE` where a pixel has no label.
        reference: (N, h, w) uint8 class ids to compare with.
        classes: K.

    Raises:
        ModelError: the file cannot be run, or its answers are not finite.
    """
    model = TFLiteModel(content)
    predict = TFLiteModel.predict if model.output_port.quantized else _checked
    height, width = labels.shape[1:]
    counts = np.zeros((len(images), classes, classes), np.int64)
    same = same_counted = 0
    for start in range(0, len(images), _BATCH):
        part = slice(start, min(start + _BATCH, len(images)))
        predicted = predict(model, images[part])[:, :height, :width]
        truth = np.asarray(labels[part])
        count_confusions(truth, predicted, classes, out=counts[part])
        equal = predicted == reference[part]
        same += int(np.count_nonzero(equal))
        same_counted += int(np.count_nonzero(equal & (truth != IGNORE)))
    return FileAnswers(counts, same, same_counted, int(reference.size))


def _checked(model: TFLiteModel, images: np.ndarray) -> np.ndarray:
    logits = model.logits(images)
    if not np.isfinite(logits).all():
        raise ModelError(NOT_FINITE)
    if logits.shape[-1] == 2:
        return (logits[..., 1] > logits[..., 0]).astype(np.uint8)
    return logits.argmax(axis=-1).astype(np.uint8)
