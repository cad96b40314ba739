"""References neither learn from pixels that are no data, nor are scored on them."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from segsweep.config.data_schema import NpzConfig
from segsweep.data import npz
from segsweep.references.counting import count_references
from segsweep.references.linear_classifier import training_sample

NODATA = -9999


def test_the_linear_reference_is_that_of_the_valid_pixels(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (30, 12, 12)).astype(np.uint8)
    images = np.round(900 + 90.0 * labels[..., None] + rng.normal(0, 60, (*labels.shape, 3))).astype(np.int16)
    images[:, :4, 2:] = NODATA
    images[::3, 6:9, :, 1] = NODATA
    parts = {"train": slice(0, 20), "validation": slice(20, 24), "test": slice(24, 30)}
    for role, part in parts.items():
        np.savez(tmp_path / f"{role}.npz", X=images[part], Y=labels[part])
    data = npz.load(NpzConfig(**{role: str(tmp_path / f"{role}.npz") for role in parts}, nodata=NODATA))

    # By hand: a value that is no data is the mean of its band in the training images.
    known = np.ma.masked_equal(images.astype(float), NODATA)
    seen = ~known.mask.all(axis=-1)
    filled = known.filled(np.nan)
    filled = np.where(np.isnan(filled), known[parts["train"]].mean(axis=(0, 1, 2)), filled)
    trained = filled[parts["train"]][seen[parts["train"]]], labels[parts["train"]][seen[parts["train"]]]
    features, truth = training_sample(data)
    assert (len(features), np.isfinite(features).all()) == (len(trained[0]), True)
    np.testing.assert_array_equal(truth, trained[1])
    expected = LinearDiscriminantAnalysis().fit(*trained)
    tested = filled[parts["test"]][seen[parts["test"]]]
    counts = count_references(data)["linear_pixels"].test.total
    right = (expected.predict(tested) == labels[parts["test"]][seen[parts["test"]]]).sum()
    assert (counts.sum(), np.trace(counts)) == (len(tested), right)
