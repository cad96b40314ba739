import numpy as np
import pytest
import small_unet

from segsweep.data.dataset import Normalization
from segsweep.evaluation.ensemble import EnsembleMember, EnsemblePredictor, mean, vote
from segsweep.tflite.interpreter import TFLiteModel

PROBABILITIES = np.array(
    # Three members, four pixels, three classes.
    [
        [[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.2, 0.3, 0.5], [0.6, 0.4, 0.0]],
        [[0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.3, 0.4, 0.3], [0.0, 0.4, 0.6]],
        [[0.3, 0.7, 0.0], [1.0, 0.0, 0.0], [0.5, 0.3, 0.2], [0.0, 0.9, 0.1]],
    ],
    np.float32,
)


def test_the_mean_and_the_majority_by_hand():
    # Two of three say 1 of the first two pixels, though the mean says 0 of the second; of the third and the fourth,
    # each member says something else, and the mean decides.
    third = np.full(3, 1 / 3, np.float32)
    np.testing.assert_allclose(mean(PROBABILITIES, third)[1], [0.6, 0.4, 0], atol=1e-6)
    assert mean(PROBABILITIES, third).argmax(-1).tolist() == [1, 0, 0, 1]
    assert vote(PROBABILITIES, third).argmax(-1).tolist() == [1, 1, 0, 1]


def test_weights():
    weights = np.array([0.8, 0.1, 0.1], np.float32)
    np.testing.assert_allclose(mean(PROBABILITIES, weights)[0], [0.77, 0.23, 0], atol=1e-6)


@pytest.mark.parametrize("combine", ["mean", "vote"])
def test_members_normalize_for_themselves(combine):
    images, _ = small_unet.blobs(3, seed=1)
    files = [small_unet.variant_file("nearest", name) for name in ("float32", "int8")]
    shifts = [
        Normalization(np.full(4, shift, np.float32), np.full(4, scale, np.float32)) for shift, scale in ((0, 1), (1, 2))
    ]
    members = [EnsembleMember(TFLiteModel(file), shift) for file, shift in zip(files, shifts, strict=True)]
    predictor = EnsemblePredictor(members, [3, 1], combine, (32, 32, 4))
    stored = 2 * images + 1
    exponentials = [
        np.exp(TFLiteModel(files[0]).logits(stored)),
        np.exp(TFLiteModel(files[1]).logits(images)),
    ]
    each = [values / values.sum(-1, keepdims=True) for values in exponentials]
    together = 0.75 * each[0] + 0.25 * each[1]
    if combine == "mean":
        np.testing.assert_allclose(predictor.logits(stored), together, atol=1e-5)
    same = each[0].argmax(-1) == each[1].argmax(-1)
    expected = np.where(same, each[0].argmax(-1), together.argmax(-1))
    assert np.mean(predictor.predict(stored) == expected) > 0.999
    assert predictor.output_size == (32, 32)
    predictor.close()


def test_images_that_networks_pad():
    images = small_unet.blobs(2, seed=1)[0][:, :27, :30]
    as_it_is = Normalization(np.zeros(4, np.float32), np.ones(4, np.float32))
    members = [EnsembleMember(TFLiteModel(small_unet.float_file("nearest")), as_it_is) for _ in range(2)]
    predictor = EnsemblePredictor(members, [1, 1], "mean", (27, 30, 4))
    assert predictor.predict(images).shape == (2, 27, 30)
    predictor.close()
