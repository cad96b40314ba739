"""Each member of an ensemble fills what is no data with its own mean."""

import numpy as np

from segsweep.data.dataset import ArraySplit, Normalization
from segsweep.evaluation.ensemble import EnsembleMember, EnsemblePredictor
from segsweep.evaluation.evaluator import evaluate


def holes(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    images = rng.normal(500, [20, 60], (count, 16, 16, 2)).astype(np.float32)
    images[::2, :5] = np.nan
    images[1, 8:, :, 1] = np.nan
    return images


class OneBand:
    """A model whose logits are its input's first band, and 0."""

    input_shape = (16, 16, 2)
    output_size = (16, 16)

    def logits(self, images: np.ndarray) -> np.ndarray:
        assert np.isfinite(images).all()
        return np.stack([images[..., 0], np.zeros_like(images[..., 0])], axis=-1)


def test_each_member_of_an_ensemble_fills_with_its_own_mean():
    images = holes()
    split = ArraySplit(images, np.zeros(images.shape[:3], np.uint8))
    seen: list[np.ndarray] = []

    class Watched(OneBand):
        def logits(self, images: np.ndarray) -> np.ndarray:
            seen.append(images)
            return super().logits(images)

    member = EnsembleMember(Watched(), Normalization(np.full(2, 480, np.float32), np.full(2, 10, np.float32)))
    predictor = EnsemblePredictor([member], [1.0], "mean", (16, 16, 2))
    as_it_is = Normalization(np.zeros(2, np.float32), np.ones(2, np.float32), keeps_missing=True)
    evaluate(predictor, split, as_it_is, 2)
    given = np.concatenate(seen)
    np.testing.assert_allclose(given, np.nan_to_num((images - 480) / 10), rtol=1e-5)
