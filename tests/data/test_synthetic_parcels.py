"""The embedded scenes: repeatable, spectrally sane, balanced, and no problem for a single pixel."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from sklearn.linear_model import LogisticRegression

from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.data.dataset import ArraySplit, Dataset
from segsweep.data.parcel_layout import draw_layout
from segsweep.data.parcel_spectra import BANDS, CROPS, CULTIVATED, MATERIALS, Surface, draw_mixture
from segsweep.data.synthetic_parcels import REFLECTANCE_SCALE, Scene, generate, load, render_scene

SPLITS = ("train", "validation", "test")
BAND = {name: channel for channel, name in enumerate(BANDS)}
LINEAR_AT_MOST = 0.80
"""Test accuracy that a classifier of single pixels must stay below."""


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load(SyntheticParcelsConfig())


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(np.random.default_rng(index), 64) for index in range(60)]


def arrays(split: object) -> ArraySplit:
    assert isinstance(split, ArraySplit)
    return split


def small(train: int = 3, validation: int = 2, test: int = 2, seed: int = 0) -> SimpleNamespace:
    counts = {"train_images": train, "validation_images": validation, "test_images": test}
    splits = generate(SyntheticParcelsConfig(size=32, seed=seed, **counts))
    return SimpleNamespace(**dict(zip(SPLITS, splits, strict=True)))


def pure_spectra(scenes: list[Scene], surface: Surface, inside: int = 0) -> np.ndarray:
    """Reflectance (pixels, 12) of the pixels that show nothing else, nor do the `inside` pixels around them."""
    spectra = []
    for scene in scenes:
        pure = scene.cover[..., surface] == 1
        spectra.append(scene.image[binary_erosion(pure, iterations=inside, border_value=1) if inside else pure])
    return np.concatenate(spectra) / REFLECTANCE_SCALE


class TestRepeatable:
    def test_same_seed_same_bytes(self) -> None:
        first, second = small(), small()
        for name in SPLITS:
            assert arrays(getattr(first, name)).images.tobytes() == arrays(getattr(second, name)).images.tobytes()
            assert getattr(first, name).fingerprint == getattr(second, name).fingerprint

    def test_another_seed_gives_other_scenes(self) -> None:
        assert small().train.fingerprint != small(seed=1).train.fingerprint

    def test_larger_splits_begin_with_the_smaller_ones(self) -> None:
        few, many = small(), small(train=5, validation=4, test=3)
        for name in SPLITS:
            before, after = arrays(getattr(few, name)), arrays(getattr(many, name))
            assert len(after) > len(before)
            np.testing.assert_array_equal(after.images[: len(before)], before.images)
            np.testing.assert_array_equal(after.labels[: len(before)], before.labels)

    def test_no_scene_twice(self, dataset: Dataset) -> None:
        scenes = [image for name in SPLITS for image in arrays(getattr(dataset, name)).images]
        assert len({hashlib.sha256(image.tobytes()).digest() for image in scenes}) == len(scenes) == 168


class TestForm:
    def test_arrays(self, dataset: Dataset) -> None:
        for name, count in zip(SPLITS, (96, 24, 48)):
            split = arrays(getattr(dataset, name))
            assert split.images.shape == (count, 64, 64, 12)
            assert split.images.dtype == np.uint16
            assert split.labels.shape == (count, 64, 64)
            assert split.labels.dtype == np.uint8
            assert set(np.unique(split.labels)) == {0, 1}

    def test_description(self, dataset: Dataset) -> None:
        assert dataset.classes == ("other", "cultivated")
        assert len(dataset.palette) == 2
        assert dataset.bands == ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
        assert [dataset.bands[channel] for channel in dataset.rgb] == ["B04", "B03", "B02"]

    def test_normalization_is_the_training_split_s(self, dataset: Dataset) -> None:
        pixels = arrays(dataset.train).images.reshape(-1, 12).astype(np.float64)
        np.testing.assert_allclose(dataset.normalization.mean, pixels.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(dataset.normalization.std, pixels.std(axis=0), rtol=1e-6)

    @pytest.mark.parametrize("size", [16, 17, 50, 96])
    def test_any_size(self, size: int) -> None:
        scene = render_scene(np.random.default_rng(0), size)
        assert scene.image.shape == (size, size, 12)
        assert scene.mask.shape == (size, size)
        np.testing.assert_allclose(scene.cover.sum(axis=-1), 1)

    def test_materials_have_a_reflectance_for_each_band(self) -> None:
        for reflectance in MATERIALS.values():
            assert reflectance.shape == (len(BANDS),)
            assert ((reflectance > 0) & (reflectance <= 1.05)).all()


class TestPlausible:
    def test_balance(self, dataset: Dataset) -> None:
        for name in SPLITS:
            assert 0.35 < arrays(getattr(dataset, name)).labels.mean() < 0.65

    def test_every_surface_appears(self, scenes: list[Scene]) -> None:
        assert (sum(scene.cover.sum(axis=(0, 1)) for scene in scenes) > 0).all()

    def test_mask_is_the_majority_of_cultivated_land(self, scenes: list[Scene]) -> None:
        for scene in scenes:
            np.testing.assert_array_equal(scene.mask == 1, scene.cover[..., CULTIVATED].sum(axis=-1) >= 0.5)

    def test_spectra(self, scenes: list[Scene]) -> None:
        # Of pixels inside their surface: the coarse bands of those at its edge see the neighbours.
        extensive = (Surface.MEADOW, Surface.FOREST, Surface.WATER, Surface.BARE)
        mean = {surface: pure_spectra(scenes, surface, inside=3).mean(axis=0) for surface in extensive}
        for green in (Surface.MEADOW, Surface.FOREST):
            assert mean[green][BAND["B08"]] > 3 * mean[green][BAND["B04"]]
            assert mean[green][BAND["B06"]] > 1.5 * mean[green][BAND["B05"]]  # the red edge
        assert mean[Surface.WATER][BAND["B08"]] < mean[Surface.WATER][BAND["B03"]]
        assert mean[Surface.WATER][BAND["B11"]] < 0.03
        assert mean[Surface.FOREST][BAND["B04"]] < mean[Surface.MEADOW][BAND["B04"]]
        assert mean[Surface.BARE][BAND["B11"]] > mean[Surface.BARE][BAND["B04"]] > mean[Surface.BARE][BAND["B02"]]

    def test_crops_follow_the_seasons(self) -> None:
        def greenness(surface: Surface, day: float) -> float:
            rng = np.random.default_rng(0)
            spectra = []
            for _ in range(50):
                mixture = draw_mixture(surface, day, rng)
                spectra.append(mixture.ground + (mixture.cover - mixture.ground) * mixture.share)
            red, infrared = np.mean(spectra, axis=0)[[BAND["B04"], BAND["B08"]]]
            return float((infrared - red) / (infrared + red))

        assert greenness(Surface.WINTER_CEREAL, 135) > 0.5 > 0.35 > greenness(Surface.WINTER_CEREAL, 200)
        assert greenness(Surface.MAIZE, 215) > 0.5 > 0.35 > greenness(Surface.MAIZE, 120)

    def test_crops_and_meadow_share_their_colours(self, scenes: list[Scene]) -> None:
        crops = np.concatenate([pure_spectra(scenes, surface) for surface in CROPS])
        low, high = np.percentile(crops, [5, 95], axis=0)
        median = np.median(pure_spectra(scenes, Surface.MEADOW), axis=0)
        assert ((median > low) & (median < high)).all()

    def test_values_stay_in_range_with_a_few_mirrors(self, dataset: Dataset) -> None:
        images = arrays(dataset.train).images
        assert images.min() >= 1
        assert images.max() < 65_535
        dazzled = (images[..., BAND["B03"]] > REFLECTANCE_SCALE).mean()
        assert 0 < dazzled < 0.002

    def test_edges_are_mixed(self) -> None:
        """The pixels beside a lake's shore lie between water and land, and some pixels hold two surfaces."""
        mixed = between = 0
        for index in range(40):
            scene = render_scene(np.random.default_rng(1000 + index), 64)
            share = scene.cover[..., Surface.WATER]
            infrared = scene.image[..., BAND["B08"]] / REFLECTANCE_SCALE
            shore = (share > 0.2) & (share < 0.8)
            mixed += int(shore.sum())
            between += int((shore & (infrared > 0.05) & (infrared < 0.30)).sum())
        assert mixed > 50
        assert between > 0.8 * mixed

    def test_coarser_bands_are_smoother(self, scenes: list[Scene]) -> None:
        images = np.stack([scene.image for scene in scenes]).astype(np.float64)
        fine = np.abs(np.diff(images, n=2, axis=2)).mean(axis=(0, 1, 2)) / images.std(axis=(0, 1, 2))
        assert fine[BAND["B8A"]] < 0.6 * fine[BAND["B08"]]
        assert fine[BAND["B09"]] < 0.5 * fine[BAND["B8A"]]

    def test_parcels_are_worked_along_themselves(self) -> None:
        """Most pairs of fields in a scene lie parallel or at right angles, as in the two blocks of a layout."""
        layout = draw_layout(128, np.random.default_rng(3))
        axes = {round(patch.axis % (np.pi / 2), 6) for patch in layout.patches if patch.surface in CULTIVATED}
        assert len(axes) <= 2


class TestDifficulty:
    def test_a_single_pixel_does_not_tell(self, dataset: Dataset) -> None:
        chosen = np.random.default_rng(0).choice(96 * 64 * 64, 40_000, replace=False)
        pixels = dataset.normalization.apply(arrays(dataset.train).images).reshape(-1, 12)[chosen]
        classifier = LogisticRegression(max_iter=300).fit(pixels, arrays(dataset.train).labels.ravel()[chosen])
        test = dataset.normalization.apply(arrays(dataset.test).images).reshape(-1, 12)
        accuracy = classifier.score(test, arrays(dataset.test).labels.ravel())
        assert 0.6 < accuracy < LINEAR_AT_MOST

    def test_meadow_is_as_rough_as_the_fields(self, scenes: list[Scene]) -> None:
        """Contrast within 4 x 4 pixels is no way to tell them apart, in fine bands or coarse: its direction is."""
        roughness: dict[bool, list[np.ndarray]] = {False: [], True: []}
        for scene in scenes:
            blocks = scene.image.reshape(16, 4, 16, 4, 12).swapaxes(1, 2).reshape(-1, 16, 12) / REFLECTANCE_SCALE
            cover = scene.cover.reshape(16, 4, 16, 4, -1).swapaxes(1, 2).reshape(-1, 16, len(Surface)).mean(axis=1)
            spread = blocks.std(axis=1)
            roughness[True].append(spread[cover[:, CULTIVATED].max(axis=1) == 1])
            roughness[False].append(spread[cover[:, Surface.MEADOW] == 1])
        field, meadow = (np.concatenate(roughness[cultivated]).mean(axis=0) for cultivated in (True, False))
        ratio = meadow / field
        assert ((ratio > 0.6) & (ratio < 1.6)).all(), dict(zip(BANDS, ratio.round(2)))
