"""What is done to training images, against SciPy's resampling and the statistics that the settings name."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.augmentation import does_nothing, draw
from segsweep.data.batches import training_batches
from segsweep.data.dataset import IGNORE, ArraySplit, Normalization

OFF = {"flips": False, "turns": False}
PLAIN = Normalization(np.zeros(3, np.float32), np.ones(3, np.float32))
COUNT = 60


def smooth_split(images: int = COUNT, height: int = 24, width: int = 32) -> ArraySplit:
    """Each image different, and its second band the label, which is in blocks of 4 pixels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, (images, height // 4, width // 4)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    bands = random.normal(10, 3, (images, height, width, 3)).astype(np.float32)
    bands[..., 1] = labels
    return ArraySplit(bands, labels)


SPLIT = smooth_split()


def augmented(batch_size=COUNT, seed=3, epoch=2, split=SPLIT, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels in the order of their indices."""
    config = AugmentationConfig(**{**OFF, **settings})
    batches = list(
        training_batches(
            split,
            PLAIN,
            size=split.labels.shape[1:],
            batch_size=batch_size,
            augmentation=config,
            seed=seed,
            epoch=epoch,
        )
    )
    order = draw(len(split), config, square=False, seed=seed, epoch=epoch).order
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return images[np.argsort(order)], labels[np.argsort(order)]


ALL = {"scale": [0.5, 2.0], "brightness": 0.3, "contrast": [0.5, 1.5], "noise": 0.2, "flips": True, "turns": True}


class TestDraws:
    def test_depend_on_seed_epoch_and_image_alone(self):
        images, labels = augmented(**ALL)
        for batch_size in (1, 7):
            same = augmented(batch_size, **ALL)
            np.testing.assert_array_equal(same[0], images)
            np.testing.assert_array_equal(same[1], labels)
        for other in ({"seed": 4}, {"epoch": 3}):
            assert not np.isclose(augmented(**other, **ALL)[0], images).all(axis=(1, 2, 3)).any()

    @pytest.mark.parametrize("name", ["scale", "brightness", "contrast", "noise"])
    def test_of_one_kind_leave_the_others_as_they_were(self, name):
        drawn = [
            draw(9, AugmentationConfig(**settings), square=True, seed=1, epoch=1)
            for settings in (ALL, {**ALL, name: getattr(AugmentationConfig(), name)})
        ]
        for kind in ("order", "mirrored", "turns", "scale", "brightness", "contrast"):
            one, other = (getattr(each, kind) for each in drawn)
            assert (other is None) if kind == name else np.array_equal(one, other)

    def test_horizontal_flips_only(self):
        images, labels = augmented(flips="horizontal")
        kept = (images == SPLIT.images).all(axis=(1, 2, 3))
        np.testing.assert_array_equal(images[~kept], SPLIT.images[~kept, :, ::-1])
        np.testing.assert_array_equal(labels[~kept], SPLIT.labels[~kept, :, ::-1])
        assert COUNT / 5 < kept.sum() < COUNT * 4 / 5

    def test_nothing(self):
        images, labels = augmented()
        np.testing.assert_array_equal(images, SPLIT.images)
        np.testing.assert_array_equal(labels, SPLIT.labels)
        assert does_nothing(AugmentationConfig(**OFF))
        for name, value in ALL.items():
            assert not does_nothing(AugmentationConfig(**{**OFF, name: value}))

    @pytest.mark.parametrize("name", OFF)
    def test_what_follows_from_the_data_must_be_known(self, name):
        settings = AugmentationConfig(**{**OFF, name: "auto"})
        with pytest.raises(AssertionError):
            draw(9, settings, square=True, seed=1, epoch=1)
        with pytest.raises(AssertionError):
            does_nothing(settings)


class TestScale:
    def test_larger_is_bilinear_for_the_image_and_nearest_for_the_labels(self):
        images, labels = augmented(scale=[1.0, 3.0])
        drawn = draw(COUNT, AugmentationConfig(**OFF, scale=[1.0, 3.0]), square=False, seed=3, epoch=2)
        for index in range(COUNT):
            factor, top, left = drawn.scale[index].astype(float)
            rows, columns = (
                share * (side - side / factor) + (np.arange(side) + 0.5) / factor - 0.5
                for share, side in ((top, 24), (left, 32))
            )
            where = np.stack(np.meshgrid(rows, columns, indexing="ij"))
            expected = [
                map_coordinates(SPLIT.images[index, ..., band], where, order=1, mode="nearest") for band in range(3)
            ]
            np.testing.assert_allclose(images[index], np.stack(expected, -1), atol=2e-4)
            nearest = map_coordinates(SPLIT.labels[index], where, order=0, mode="nearest")
            assert (labels[index] == nearest).mean() > 0.99
        assert 1 <= drawn.scale[:, 0].min() < 1.3
        assert 2.5 < drawn.scale[:, 0].max() <= 3

    def test_smaller_goes_on_by_reflection_and_counts_only_inside(self):
        images, labels = augmented(scale=[0.5, 0.5])
        counted = labels != IGNORE
        np.testing.assert_array_equal(counted.sum(axis=(1, 2)), 12 * 16)
        mirrored = np.pad(SPLIT.images, ((0, 0), (24, 24), (32, 32), (0, 0)), mode="reflect")
        drawn = draw(COUNT, AugmentationConfig(**OFF, scale=[0.5, 0.5]), square=False, seed=3, epoch=2)
        for index in range(COUNT):
            top, left = (24 + drawn.scale[index, 1] * -24, 32 + drawn.scale[index, 2] * -32)
            # What is made half as large weighs 4 pixels by a triangle.
            means = mirrored[index, int(top) : int(top) + 48, int(left) : int(left) + 64].mean(axis=(0, 1))
            np.testing.assert_allclose(images[index].mean(axis=(0, 1)), means, atol=0.15)

    def test_image_and_labels_stay_together(self):
        images, labels = augmented(**{**ALL, "brightness": 0.0, "contrast": None, "noise": 0.0})
        # Away from the edges of the blocks, the band that shows the label has its value.
        same = np.abs(images[..., 1] - labels) < 1e-3
        counted = labels != IGNORE
        assert same[counted].mean() > 0.4
        assert counted.mean() > 0.5
        assert set(np.unique(labels[counted])) == set(range(5))

    def test_integer_images_come_as_numbers_with_fractions(self):
        integers = ArraySplit(SPLIT.images.clip(0, 20).astype(np.uint16) * 3000, SPLIT.labels)
        images, _ = augmented(split=integers, scale=[1.5, 2.0])
        assert images.dtype == np.float32
        assert 40_000 < images.max() <= 60_000


class TestColour:
    def test_brightness_shifts_all_bands_alike(self):
        shifts = augmented(brightness=0.4)[0] - SPLIT.images
        assert shifts.std(axis=(1, 2, 3)).max() < 1e-5
        assert -0.4 <= shifts.min() < -0.3
        assert 0.3 < shifts.max() <= 0.4

    def test_contrast_keeps_the_mean_of_each_band_and_changes_its_spread(self):
        images, _ = augmented(contrast=[0.5, 1.5])
        np.testing.assert_allclose(images.mean(axis=(1, 2)), SPLIT.images.mean(axis=(1, 2)), rtol=1e-4)
        ratio = images.std(axis=(1, 2)) / SPLIT.images.std(axis=(1, 2))
        np.testing.assert_allclose(ratio, ratio[:, :1].repeat(3, 1), rtol=1e-4)
        assert 0.5 <= ratio.min() < 0.6
        assert 1.4 < ratio.max() <= 1.5

    def test_noise_is_of_its_own_strength_in_each_band(self):
        noise = augmented(noise=0.3)[0] - SPLIT.images
        strengths = noise.std(axis=(1, 2))
        assert np.abs(noise.mean(axis=(1, 2))).max() < 0.06
        assert strengths.min() < 0.05
        assert 0.25 < strengths.max() < 0.33
        assert strengths.mean() == pytest.approx(0.15, abs=0.03)
        assert np.abs(np.corrcoef(strengths.T) - np.eye(3)).max() < 0.5
