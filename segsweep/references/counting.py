"""How often the references of a data set are right, image by image."""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from segsweep.data.dataset import Dataset, Split, survey_of
from segsweep.evaluation.evaluator import evaluate
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.references.linear_classifier import (
    LinearClassifier,
    LinearPredictor,
    fit_linear,
    linear_reference,
    training_sample,
)
from segsweep.references.table import COMMONEST_CLASS


@dataclass(frozen=True)
class ReferenceCounts:
    """Of a reference, as :func:`segsweep.evaluation.evaluator.evaluate` counts for a file."""

    test: ImageCounts = field(repr=False)
    validation: ImageCounts = field(repr=False)


def commonest_class(dataset: Dataset) -> int:
    """The class with most pixels (or images) in the training split; on ties, the first."""
    return int(survey_of(dataset.train).counts[:, : len(dataset.classes)].sum(axis=0, dtype=np.int64).argmax())


def count_references(dataset: Dataset) -> dict[str, ReferenceCounts]:
    """The counts of all references of a data set, by name."""
    linear = fit_linear(*training_sample(dataset), len(dataset.classes))
    name = linear_reference(dataset)
    counted = ReferenceCounts(*(_counts(linear, name, dataset, split) for split in (dataset.test, dataset.validation)))
    commonest = commonest_class(dataset)
    # The same truth, all of it taken for one class: there is no need to read the images again.
    constant = ReferenceCounts(*(always(commonest, counts) for counts in (counted.test, counted.validation)))
    return {COMMONEST_CLASS: constant, name: counted}


def always(label: int, counts: ImageCounts) -> ImageCounts:
    """The counts of who predicts one class everywhere, from those of any other prediction of the same images."""
    truth = counts.of_truth
    images, labels = np.nonzero(truth)
    cells = sparse.csr_array(
        (truth[images, labels], (images, labels * counts.classes + label)), shape=counts.cells.shape
    )
    return ImageCounts(cells, counts.classes, counts.groups)


def _counts(classifier: LinearClassifier, name: str, dataset: Dataset, split: Split) -> ImageCounts:
    predictor = LinearPredictor(classifier, name, split.image_shape)
    return evaluate(predictor, split, dataset.normalization, len(dataset.classes)).counts
