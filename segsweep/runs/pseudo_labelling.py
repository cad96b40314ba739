"""Pseudo-labels of a training: given by its teacher's model, logged with numbers and pictures."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from segsweep.config.schema import JobConfig
from segsweep.data.dataset import Dataset, Split
from segsweep.data.pictures import coloured, mosaic, png, true_colour
from segsweep.data.pseudo_labels import JoinedSplit, PseudoLabels, pseudo_labelled
from segsweep.evaluation.confusion import ratio
from segsweep.runs.context import Context
from segsweep.tracking import names

if TYPE_CHECKING:
    import tf_keras as keras

_SHOWN = 4
_WIDTH = 900


@dataclass(frozen=True)
class GivenLabels:
    """What a training learns from, and what is to be logged of it."""

    dataset: Dataset
    """Whose training split holds the pseudo-labels."""
    metrics: dict[str, float]
    files: dict[str, bytes] = field(repr=False)


def given_labels(config: JobConfig, teacher: "keras.Model", context: Context) -> GivenLabels:
    """The data of `context` with the labels that `config.training.pseudo_labels` asks for.

    Args:
        config: of the training that is to learn from them.
        teacher: the trained network that gives them.
        context: of the job.
    """
    from segsweep.training.predictor import KerasPredictor

    dataset, settings = context.dataset, config.training.pseudo_labels
    predictor = KerasPredictor(teacher)

    def label(split: Split) -> PseudoLabels:
        context.progress.stage("labelling images", len(split))
        return pseudo_labelled(
            split,
            predictor.logits,
            dataset.normalization,
            size=predictor.input_shape[:2],
            thresholds=settings.threshold,
            on_image=context.progress.step,
        )

    parts: list[Split] = [dataset.train]
    found = []
    if settings.images != "unlabelled":
        found.append(label(dataset.train))
        parts = [found[-1].split]
    if settings.images != "training":
        assert dataset.unlabelled is not None
        found.append(label(dataset.unlabelled))
        parts.append(found[-1].split)
    train = parts[0] if len(parts) == 1 else JoinedSplit(tuple(parts))
    return GivenLabels(
        replace(dataset, train=train),
        _metrics(found, dataset),
        {names.PSEUDO_LABELS_FILE: _picture(found, dataset)},
    )


def _metrics(found: list[PseudoLabels], dataset: Dataset) -> dict[str, float]:
    asked = sum(each.asked for each in found)
    given, judged, right = (
        np.sum([getattr(each, name) for each in found], axis=0, dtype=np.float64)
        for name in ("given", "judged", "right")
    )
    shares = given / max(1.0, given.sum())
    return {
        names.PSEUDO_SHARE: float(given.sum() / asked) if asked else 0.0,
        names.PSEUDO_ACCURACY: float(right.sum() / judged.sum()) if judged.any() else float("nan"),
        **dict(zip(names.class_metrics(names.PSEUDO_CLASS_SHARE, dataset.classes), shares.tolist(), strict=True)),
        **dict(
            zip(
                names.class_metrics(names.PSEUDO_CLASS_ACCURACY, dataset.classes),
                ratio(np.asarray(right), np.asarray(judged)).tolist(),
                strict=True,
            )
        ),
    }


def _picture(found: list[PseudoLabels], dataset: Dataset) -> bytes:
    """A PNG: an image a row, beside the labels it had and those it has now."""
    rows = []
    for labels in found:
        indices = np.unique(np.linspace(0, len(labels.split) - 1, _SHOWN).round().astype(int))
        images, before = labels.split.inner.read(indices)
        for image, old, new in zip(images, before, labels.split.labels[indices], strict=True):
            rows.append(
                [true_colour(image, dataset.rgb), coloured(old, dataset.palette), coloured(new, dataset.palette)]
            )
    return png(mosaic(rows, _WIDTH))
