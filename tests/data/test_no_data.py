"""Values that are no data, in arrays: against NumPy's masked arrays and a NaN-aware resampling by hand."""

import warnings

import numpy as np
import pytest
from PIL import Image
from saved_folders import save

from segsweep.config.data_schema import ImageFolderConfig, NpzConfig, PatchConfig
from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.augmentation import draw
from segsweep.data.augmented_picture import augmented_picture
from segsweep.data.batches import evaluation_batches, training_batches
from segsweep.data.choosing_images import far_apart
from segsweep.data.class_frequencies import class_frequencies
from segsweep.data.dataset import IGNORE, ArraySplit, Normalization, survey_of
from segsweep.data.fitting import Fit, fit_image, fit_labels
from segsweep.data.histogram import Histogram, quantiles
from segsweep.data.no_data import equal_to, with_no_data
from segsweep.data.normalization import fit_normalization
from segsweep.data.pictures import true_colour
from segsweep.data.point_labels import PointSplit
from segsweep.data.pseudo_labels import pseudo_labelled
from segsweep.data.sources import load_dataset, remarks
from segsweep.errors import ConfigError, DataError

NODATA = -9999


def tiles(count: int = 12, size: int = 20, bands: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, C) int16 with holes of -9999, some of them in a single band, and labels (N, H, W)."""
    rng = np.random.default_rng(seed)
    images = rng.normal(900, 200, (count, size, size, bands)).astype(np.int16)
    images[::2, :, : size // 3] = NODATA
    images[1::3, 3:6, 5:9, 1] = NODATA
    return images, rng.integers(0, 2, (count, size, size)).astype(np.uint8)


def masked(images: np.ndarray) -> np.ma.MaskedArray:
    return np.ma.masked_equal(images.astype(np.float64), NODATA)


def load(folder, images, labels, **settings):
    np.savez(folder / "all.npz", X=images, Y=labels)
    return load_dataset(NpzConfig(train=str(folder / "all.npz"), **settings))


@pytest.fixture
def dataset(tmp_path):
    return load(tmp_path, *tiles(), nodata=NODATA)


@pytest.mark.parametrize(
    ("dtype", "nodata", "expected"),
    [
        (np.int16, -9999.0, [True, False, False]),
        (np.uint8, -9999.0, None),
        (np.uint8, 0.5, None),
        (np.uint16, 65535.0, [False, False, True]),
        (np.float32, -9999.0, [True, False, False]),
        (np.float32, np.nan, None),
        (np.float32, np.inf, [False, False, False]),
        (np.int16, np.inf, None),
        (np.int16, None, None),
    ],
)
def test_values_that_equal_nodata(dtype, nodata, expected):
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if np.dtype(dtype).kind != "f" else (-9999, 9999)
    values = np.array([max(-9999, low), 0, high], dtype)
    found = equal_to(values, nodata)
    assert (found if expected is None else found.tolist()) == expected


def test_integers_beyond_float32_stay_exact():
    images = np.array([[[[2**30 + 1]], [[-1]]]], np.int32)
    marked = with_no_data(images, -1)
    assert marked.dtype == np.float64
    assert marked[0, 0, 0, 0] == 2**30 + 1
    assert np.isnan(marked[0, 1, 0, 0])
    assert with_no_data(images.astype(np.uint16), 7).dtype == np.uint16


def test_statistics_are_of_the_valid_values():
    images, labels = tiles()
    split = ArraySplit(with_no_data(images, NODATA), labels)
    normalization, truth = fit_normalization(split), masked(images)
    np.testing.assert_allclose(normalization.mean, truth.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(normalization.std, truth.std(axis=(0, 1, 2)), rtol=1e-6)
    survey = survey_of(split)
    np.testing.assert_array_equal(survey.valid, truth.count(axis=(1, 2)))
    np.testing.assert_array_equal(survey.empty, truth.mask.all(axis=-1).sum(axis=(1, 2)))
    assert not survey.is_constant.any()


def test_percentiles_are_of_the_valid_values():
    # As many different values as are kept of an image: percentiles are those of all valid pixels.
    rng = np.random.default_rng(0)
    images = rng.integers(0, 500, (50, 4, 4, 2)).astype(np.int16)
    images[:, :2, :, 0] = NODATA
    images[::5, 3, :, 1] = NODATA
    split = ArraySplit(with_no_data(images, NODATA), np.zeros((50, 4, 4), np.uint8))
    normalization = fit_normalization(split, "percentile")
    for band in range(2):
        values = images[..., band]
        low, high = np.percentile(values[values != NODATA], (2, 98))
        assert normalization.mean[band] == pytest.approx((low + high) / 2)
        assert normalization.std[band] == pytest.approx((high - low) / 2)


def test_an_image_weighs_by_its_valid_values():
    images = np.full((2, 8, 8, 1), NODATA, np.int16)
    images[0] = 0
    images[1, 0] = 100
    split = ArraySplit(with_no_data(images, NODATA), np.zeros((2, 8, 8), np.uint8))
    samples = survey_of(split).samples[1, :, 0]
    assert np.isnan(samples).tolist() == [False] * 2 + [True] * 14
    assert fit_normalization(split).mean[0] == pytest.approx(100 * 8 / 72)


def test_a_band_without_any_value_is_the_same_everywhere():
    images, labels = tiles()
    images[..., 2] = NODATA
    split = ArraySplit(with_no_data(images, NODATA), labels)
    for how in ("standard", "percentile"):
        normalization = fit_normalization(split, how)
        assert (normalization.mean[2], normalization.std[2]) == (0, 1)
        assert np.isfinite(normalization.apply(split.images)).all()


def test_normalized_no_data_is_the_mean():
    normalization = Normalization(np.array([5, 10], np.float32), np.array([2, 4], np.float32))
    images = np.array([[[[7, np.nan], [np.nan, 14]]]])
    np.testing.assert_array_equal(normalization.apply(images), [[[[1, 0], [0, 1]]]])
    kept = Normalization(normalization.mean, normalization.std, keeps_missing=True).apply(images)
    np.testing.assert_array_equal(kept, [[[[1, np.nan], [np.nan, 1]]]])


def test_an_archive_with_nodata(tmp_path):
    images, labels = tiles()
    dataset = load(tmp_path, images, labels, nodata=NODATA)
    assert dataset.stored_dtype == "int16"
    for split in (dataset.train, dataset.validation, dataset.test):
        read, truth = split.read(np.arange(len(split)))
        assert read.dtype == (np.float32 if np.isnan(read).any() else np.int16)
        np.testing.assert_array_equal(truth == IGNORE, np.isnan(read).all(axis=-1))
        rows = [next(i for i, image in enumerate(images) if same(image, each)) for each in read]
        np.testing.assert_array_equal(np.isnan(read), images[rows] == NODATA)
        np.testing.assert_array_equal(np.where(truth == IGNORE, 0, truth), np.where(truth == IGNORE, 0, labels[rows]))
    read, truth = dataset.train.read(np.arange(len(dataset.train)))
    np.testing.assert_array_equal(class_frequencies(dataset.train, 2), [(truth == 0).sum(), (truth == 1).sum()])
    np.testing.assert_allclose(dataset.normalization.mean, np.nanmean(read.astype(float), axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(dataset.normalization.std, np.nanstd(read.astype(float), axis=(0, 1, 2)), rtol=1e-6)


def same(image: np.ndarray, read: np.ndarray) -> bool:
    return bool((np.nan_to_num(read, nan=NODATA) == image).all())


def test_nan_and_a_value_are_the_same_data(tmp_path):
    images, labels = tiles()
    holes = np.where(images == NODATA, np.nan, images).astype(np.float32)
    files = {"value": images, "nan": holes}
    for name, pixels in files.items():
        np.savez(tmp_path / f"{name}.npz", X=pixels[:8], Y=labels[:8])
        np.savez(tmp_path / f"{name}_test.npz", X=pixels[8:], Y=labels[8:])
        np.savez(tmp_path / f"{name}_validation.npz", X=pixels[8:] + 1 * (pixels[8:] != NODATA), Y=labels[8:])
    by_value, by_nan = (
        load_dataset(
            NpzConfig(
                train=str(tmp_path / f"{name}.npz"),
                validation=str(tmp_path / f"{name}_validation.npz"),
                test=str(tmp_path / f"{name}_test.npz"),
                nodata=NODATA if name == "value" else None,
            )
        )
        for name in files
    )
    for role in ("train", "validation", "test"):
        assert getattr(by_value, role).fingerprint == getattr(by_nan, role).fingerprint
    np.testing.assert_array_equal(by_value.normalization.mean, by_nan.normalization.mean)
    # Of a split without any, integers stay integers.
    whole = load(tmp_path, np.where(images == NODATA, 5, images), labels, nodata=NODATA)
    assert whole.train.read(np.arange(2))[0].dtype == np.int16
    assert "data.nodata=-9999 is in no pixel" in remarks(whole)


def test_the_share_is_said_by_split(dataset):
    shares = {}
    for role, split in (("training", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        images, _ = split.read(np.arange(len(split)))
        shares[role] = 100 * np.isnan(images).all(axis=-1).mean()
    said = ", ".join(f"{share:.3g} % of the {role} pixels" for role, share in shares.items())
    assert remarks(dataset)[0] == f"no data: {said}; they count nowhere"
    assert "in some bands" in remarks(dataset)[1]


def test_nothing_is_said_where_all_is_data(tmp_path):
    images, labels = tiles()
    plain = load(tmp_path, np.where(images == NODATA, 5, images), labels)
    assert not [line for line in remarks(plain) if "data" in line]


def test_images_without_any_data_are_left_out(tmp_path):
    images, labels = tiles(16)
    images[[2, 7]] = NODATA
    dataset = load(tmp_path, images, labels, nodata=NODATA)
    parts = [split.read(np.arange(len(split)))[0] for split in (dataset.train, dataset.validation, dataset.test)]
    assert sum(map(len, parts)) == 14
    assert not np.isnan(np.concatenate(parts)).all(axis=(1, 2, 3)).any()
    assert "no data: 2 images without any valid pixel are left out" in remarks(dataset)
    with pytest.raises(DataError, match="no image in X has a valid pixel"):
        load(tmp_path, np.full_like(images, NODATA), labels, nodata=NODATA, split_seed=1)


def test_only_used_bands_count(tmp_path):
    images, labels = tiles()
    images[..., 2] = 5
    dataset = load(tmp_path, images, labels, nodata=NODATA, channels=[1, 0])
    read, truth = dataset.train.read(np.arange(len(dataset.train)))
    np.testing.assert_array_equal(truth == IGNORE, np.isnan(read).all(axis=-1))
    assert (truth == IGNORE).any()
    all_bands = load(tmp_path, images, labels, nodata=NODATA)
    assert not (all_bands.train.read(np.arange(len(all_bands.train)))[1] == IGNORE).any()


def test_patches_without_any_data_are_left_out(tmp_path):
    images, labels = tiles(12, 32)
    images[:, :16, :16] = NODATA
    patch = PatchConfig(size=16)
    dataset = load(tmp_path, images, labels, nodata=NODATA, patch=patch)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert sum(map(len, splits)) == 12 * 3
    read, truth = dataset.train.read(np.arange(len(dataset.train)))
    assert not np.isnan(read).all(axis=(1, 2, 3)).any()
    np.testing.assert_array_equal(truth == IGNORE, np.isnan(read).all(axis=-1))
    # The fingerprint is that of the patches in one array.
    assert dataset.train.fingerprint == ArraySplit(read, truth).fingerprint
    for index in (0, len(read) - 1):
        np.testing.assert_array_equal(dataset.train.read(np.array([index]))[0][0], read[index])


def test_infinite_nodata_is_refused():
    from segsweep.config.checks import check

    check({"data.nodata": -3.4e38})
    for value in (float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=r"data\.nodata=\S+ is out of range; it must be a finite number"):
            check({"data.nodata": value})


@pytest.mark.parametrize("size", [(7, 9), (11, 10), (40, 50), (20, 30)])
@pytest.mark.parametrize("how", ["resize", "crop", "pad"])
def test_no_data_does_not_spread_where_images_are_resized(size, how):
    # A constant image stays constant, whatever the holes in it; the holes lie where those of a mask would.
    image = np.full((20, 24, 2), 1000, np.float32)
    image[4:9, 6:12, 0] = np.nan
    image[:, 20:] = np.nan
    scaled = fit_image(image, Fit(size, how))
    np.testing.assert_allclose(scaled[~np.isnan(scaled)], 1000, rtol=1e-5)
    if how != "pad":
        for band in range(2):
            hole = fit_labels(np.isnan(image[..., band]).astype(np.uint8), Fit(size, how))
            np.testing.assert_array_equal(np.isnan(scaled[..., band]), hole == 1)


def test_valid_pixels_are_averaged_by_their_weights():
    # Two pixels become one: by hand, the mean of those that are there.
    image = np.array([[[1.0], [3.0], [np.nan], [8.0], [5.0], [7.0]]], np.float32)
    weights = np.asarray(Image.fromarray(np.eye(6, dtype=np.float32)).resize((3, 6), Image.Resampling.BILINEAR))
    values = np.nan_to_num(image[0, :, 0])
    there = ~np.isnan(image[0, :, 0])
    expected = (values * there) @ weights / (there @ weights)
    scaled = fit_image(image, Fit((1, 3), "resize"))[0, :, 0]
    np.testing.assert_allclose(scaled[~np.isnan(scaled)], expected[~np.isnan(scaled)], rtol=1e-6)
    assert fit_image(np.rint(image), Fit((1, 3), "resize"), rounded=True)[0, 0, 0] == round(float(expected[0]))


def test_a_training_sees_the_mean_where_nothing_is(dataset):
    settings = AugmentationConfig(
        flips=True, turns=True, scale=[0.6, 1.7], brightness=0.5, contrast=[0.5, 1.5], noise=0.3
    )
    seen = 0
    for epoch in range(3):
        batches = training_batches(
            dataset.train,
            dataset.normalization,
            size=(24, 24),
            batch_size=4,
            augmentation=settings,
            seed=0,
            epoch=epoch,
        )
        for images, labels in batches:
            assert np.isfinite(images).all()
            drawn = images[labels == IGNORE]
            seen += int((drawn == 0).all(axis=-1).sum())
            # -9999 would be 50 standard deviations away.
            assert np.abs(images).max() < 12
    assert seen > 500


@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_no_data_does_not_spread_where_images_are_scaled(scale):
    image, label = np.full((1, 20, 20, 2), 700.0, np.float32), np.zeros((1, 20, 20), np.uint8)
    image[0, 4:9, 6:12, 0] = np.nan
    image[0, :, 13:] = np.nan
    label[0, :, 13:] = IGNORE
    settings = AugmentationConfig(flips=False, turns=False, scale=[scale, scale])
    drawn = draw(1, settings, square=True, seed=3, epoch=0)
    changed, labels = drawn.change(np.array([0]), image, label)
    assert set(np.rint(changed[~np.isnan(changed)])) == {700}
    empty = np.isnan(changed[0]).all(axis=-1)
    assert (labels[0][empty] == IGNORE).all()
    # Beyond the edge, where the image goes on by reflection, labels count nowhere either.
    inside = slice(7, 13) if scale < 1 else slice(None)
    np.testing.assert_array_equal(labels[0, inside, inside] == IGNORE, empty[inside, inside])
    lost = np.isnan(changed[0, ..., 0]).sum() - empty.sum()
    assert lost == pytest.approx(30 * scale**2, rel=0.5) or scale < 1


def test_the_contrast_is_about_the_mean_of_the_valid_pixels():
    images = np.zeros((1, 4, 4, 1), np.float32)
    images[0, :2] = 3.0
    missing = np.zeros(images.shape, bool)
    missing[0, 2:] = True
    settings = AugmentationConfig(flips=False, turns=False, contrast=[0.5, 0.5])
    drawn = draw(1, settings, square=True, seed=0, epoch=0)
    changed = drawn.recolour(np.array([0]), images.copy(), missing=missing)
    np.testing.assert_allclose(changed[0, :2], 3.0)
    np.testing.assert_array_equal(changed[0, 2:], 0)


def test_what_is_evaluated_has_the_mean_where_nothing_is(dataset):
    for images, labels in evaluation_batches(dataset.test, dataset.normalization, size=(20, 20), batch_size=2):
        assert np.isfinite(images).all()
        np.testing.assert_array_equal((images == 0).all(axis=-1) | (labels != IGNORE), True)


def test_histograms_are_of_the_valid_pixels():
    images, _ = tiles(2)
    image = with_no_data(images[0], NODATA)
    for histogram in (Histogram("equalize"), Histogram("match", quantiles(images[1]))):
        changed = histogram.apply(image)
        np.testing.assert_array_equal(np.isnan(changed), np.isnan(image))
        part = images[0][:, 20 // 3 :]
        np.testing.assert_array_equal(changed[:, 20 // 3 :], histogram.apply(part))
    np.testing.assert_array_equal(quantiles(with_no_data(images[0], NODATA)), quantiles(images[0][:, 20 // 3 :]))


@pytest.mark.parametrize("how", ["equalize", "match"])
def test_data_whose_histograms_change(tmp_path, how):
    images, labels = tiles()
    reference = images[0].copy()
    np.save(tmp_path / "reference.npy", reference)
    settings = {"histogram_reference": str(tmp_path / "reference.npy")} if how == "match" else {}
    dataset = load(tmp_path, images, labels, nodata=NODATA, histogram=how, **settings)
    read, truth = dataset.train.read(np.arange(len(dataset.train)))
    assert (truth == IGNORE).any()
    np.testing.assert_array_equal(truth == IGNORE, np.isnan(read).all(axis=-1))
    np.testing.assert_allclose(dataset.normalization.mean, np.nanmean(read.astype(float), axis=(0, 1, 2)), rtol=1e-5)
    assert dataset.normalization.mean.min() > (0.4 if how == "equalize" else 500)
    assert dataset.stored_dtype == "float32"


def test_pictures_are_stretched_by_the_valid_pixels():
    images, _ = tiles(2)
    image = with_no_data(images[0], NODATA)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = true_colour(image, (0, 1, 2))
        true_colour(np.full((4, 4, 3), np.nan, np.float32), (0, 1, 2))
    np.testing.assert_array_equal(picture[:, 6:], true_colour(images[0][:, 6:], (0, 1, 2)))
    assert (picture[:, :6] == 127).all()


def test_a_picture_of_the_augmentation(dataset):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert augmented_picture(dataset, AugmentationConfig(True, True, [0.7, 1.4], noise=0.1), size=(24, 24), seed=0)


def test_nothing_is_labelled_where_nothing_is_seen(dataset):
    split = PointSplit(dataset.train, 5, seed=0)

    def teacher(images):
        assert np.isfinite(images).all()
        return np.broadcast_to(np.array([0.0, 9.0], np.float32), (*images.shape[:3], 2))

    labelled = pseudo_labelled(split, teacher, dataset.normalization, size=(20, 20), thresholds=[0.9, 0.9])
    images, labels = labelled.split.read(np.arange(len(split)))
    np.testing.assert_array_equal(labels == IGNORE, np.isnan(images).all(axis=-1))
    assert labelled.share == 1


def test_images_far_apart_are_so_by_their_valid_pixels():
    # Of image 3 a band is missing as a whole; that it is 0 in the survey is no distance.
    images, labels = tiles(8)
    images[0] = np.where(images[0] == NODATA, NODATA, images[0] + 100)
    images[3, ..., 1] = NODATA
    for seed in range(8):
        chosen = far_apart(ArraySplit(with_no_data(images, NODATA), labels), 2, seed)
        assert 3 not in chosen or np.random.default_rng(seed).integers(8) == 3
        assert 0 in chosen


def test_pictures_have_no_data_of_their_own(tmp_path):
    for index in range(10):
        pixels = np.random.default_rng(index).integers(1, 256, (24, 32, 3)).astype(np.uint8)
        if index % 2:
            pixels[:, :8] = 0
        pixels[20, 30, 1] = 0
        save(tmp_path / f"images/{index}.png", pixels)
        save(tmp_path / f"masks/{index}.png", (np.arange(24 * 32).reshape(24, 32) % 2).astype(np.uint8))
    for size in (None, [16, 16]):
        dataset = load_dataset(ImageFolderConfig(root=str(tmp_path), classes=["a", "b"], nodata=0, size=size))
        read, truth = dataset.train.read(np.arange(len(dataset.train)))
        np.testing.assert_array_equal(truth == IGNORE, np.isnan(read).all(axis=-1))
        assert np.nanmin(read) > 0
        assert np.isnan(read).any(axis=(1, 2, 3)).all() or size
        whole = read[~np.isnan(read)]
        np.testing.assert_array_equal(whole, np.rint(whole))
    assert dataset.stored_dtype == "uint8"
