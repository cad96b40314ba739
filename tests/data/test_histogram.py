"""Histogram equalization and matching, against scikit-image."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from saved_folders import ids, load, picture, save
from skimage.exposure import equalize_hist, match_histograms

from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.data import file_split
from segsweep.data.histogram import Histogram, quantiles
from segsweep.data.preprocessing import HistogramSplit
from segsweep.data.sample_cache import SampleCache
from segsweep.data.sources import load_dataset
from segsweep.errors import ConfigError, DataError

RANDOM = np.random.default_rng(0)
SMALL = SyntheticParcelsConfig(size=16, train_images=4, validation_images=2, test_images=2)


def image(dtype, seed: int = 0, height: int = 40) -> np.ndarray:
    values = np.random.default_rng(seed).gamma(2 + seed, 20, (height, 50, 3))
    return values.clip(0, 255).astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_equalized_as_scikit_image_does(dtype):
    source = image(dtype)
    expected = np.stack([equalize_hist(source[..., band], nbins=256) for band in range(3)], -1)
    np.testing.assert_allclose(Histogram("equalize").apply(source), expected, atol=1e-6)


def test_equalized_fractions_are_ranks():
    """Where scikit-image counts in 256 bins, each value counts for itself."""
    source = image(np.float32)
    expected = np.stack([equalize_hist(source[..., band], nbins=10_000) for band in range(3)], -1)
    np.testing.assert_allclose(Histogram("equalize").apply(source), expected, atol=2e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_matched_as_scikit_image_does(dtype):
    source, reference = image(dtype), image(np.float64, seed=3, height=70)
    expected = match_histograms(source.astype(np.float64), reference, channel_axis=-1)
    found = Histogram("match", quantiles(reference)).apply(source)
    # Between its 256 quantiles, the reference is taken to be straight; at its ends it is not.
    middle = (expected > np.percentile(reference, 1)) & (expected < np.percentile(reference, 99))
    np.testing.assert_allclose(found[middle], expected[middle], atol=0.6, rtol=0.01)
    np.testing.assert_allclose(found.mean(axis=(0, 1)), expected.mean(axis=(0, 1)), rtol=0.01)


def test_all_splits_are_read_so_and_normalized_so():
    plain, equalized = load_dataset(SMALL), load_dataset(replace(SMALL, histogram="equalize"))
    for role in ("train", "validation", "test"):
        before, after = getattr(plain, role), getattr(equalized, role)
        (images, labels), (changed, same) = (each.read(np.arange(2)) for each in (before, after))
        np.testing.assert_array_equal(changed[1], Histogram("equalize").apply(images[1]))
        np.testing.assert_array_equal(labels, same)
        assert before.fingerprint != after.fingerprint
        assert (len(before), before.image_shape) == (len(after), after.image_shape)
    pixels = equalized.train.read(np.arange(4))[0]
    normalized = equalized.normalization.apply(pixels)
    np.testing.assert_allclose(normalized.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(normalized.std(axis=(0, 1, 2)), 1, atol=1e-4)


def matching(path) -> SyntheticParcelsConfig:
    return replace(SMALL, histogram="match", histogram_reference=str(path))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_reference_of_numbers(tmp_path, suffix):
    reference = RANDOM.normal(5, 2, (3, 16, 16, 12)).astype(np.float32)
    path = tmp_path / f"reference{suffix}"
    np.save(path, reference) if suffix == ".npy" else np.savez(path, Y=np.zeros(3), X=reference)
    dataset = load_dataset(matching(path))
    pixels = dataset.test.read(np.arange(2))[0]
    assert pixels.mean() == pytest.approx(5, abs=0.1)
    assert pixels.std() == pytest.approx(2, abs=0.1)
    np.save(tmp_path / "other.npy", reference + 1)
    assert load_dataset(matching(tmp_path / "other.npy")).test.fingerprint != dataset.test.fingerprint
    assert len(dataset.histogram.rows) == 12
    assert len(dataset.histogram.rows[0]) == 256


def test_what_cannot_be_matched_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.histogram=match needs an image to match"):
        load_dataset(replace(SMALL, histogram="match"))
    with pytest.raises(DataError, match=r"missing\.npy: cannot be read"):
        load_dataset(matching(tmp_path / "missing.npy"))
    Image.fromarray(image(np.uint8)).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match=r"photo\.png: 3 bands where the data have 12 \(B01"):
        load_dataset(matching(tmp_path / "photo.png"))
    np.save(tmp_path / "flat.npy", np.zeros((4, 4)))
    with pytest.raises(DataError, match=r"flat\.npy: an array \(4, 4\)"):
        load_dataset(matching(tmp_path / "flat.npy"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.npy", b"", "cannot be read"),
        ("damaged.npz", b"PK\x03\x04 and no more", "cannot be read"),
        ("text.npz", b"not numbers", "cannot be read"),
        ("none.npz", None, "cannot be read"),
        ("no pixels.npy", np.zeros((0, 4, 12)), r"an array \(0, 4, 12\)"),
        ("complex.npy", np.zeros((4, 4, 12), complex), r"an array \(4, 4, 12\) of complex128"),
        ("holes.npy", np.full((4, 4, 12), np.nan), "no valid value in the bands B01, B02"),
    ],
)
def test_a_reference_that_holds_no_numbers_is_refused_in_a_line(tmp_path, name, content, message):
    path = tmp_path / name
    if content is None:
        np.savez(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(DataError, match=rf"histogram_reference=.*{name}: {message}") as found:
        load_dataset(matching(path))
    assert "\n" not in str(found.value)


def test_a_damaged_array_of_an_archive_is_refused(tmp_path):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, X=RANDOM.normal(5, 2, (3, 16, 16, 12)))
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.npz: cannot be read"):
        load_dataset(matching(path))


def test_what_a_reference_holds_counts_and_not_its_name(tmp_path):
    reference = RANDOM.normal(5, 2, (16, 16, 12))
    np.save(tmp_path / "a.npy", reference)
    np.savez(tmp_path / "b.npz", reference)
    (tmp_path / "b.npz").rename(tmp_path / "B.NPZ")
    (tmp_path / "c.npy").write_bytes((tmp_path / "B.NPZ").read_bytes())
    rows = [load_dataset(matching(tmp_path / name)).histogram.rows for name in ("a.npy", "B.NPZ", "c.npy")]
    assert rows[0] == rows[1] == rows[2]


def test_files_are_equalized_for_their_survey_once_and_not_in_each_process(tmp_path, monkeypatch):
    for index in range(10):
        save(tmp_path / f"images/{index}.png", picture(1000 + index))
        save(tmp_path / f"masks/{index}.png", ids(index))
    first = load(tmp_path, histogram="equalize")
    assert isinstance(first.train, HistogramSplit)
    expect_normalization_of(first)
    with monkeypatch.context() as patched:
        patched.setattr(file_split.FileSplit, "read", lambda *_: pytest.fail("the files were read again"))
        second = load(tmp_path, histogram="equalize")
    np.testing.assert_array_equal(second.normalization.mean, first.normalization.mean)
    save(first.train.inner.pairs[first.train.inner.source[0]].image, picture(2000) // 64)
    expect_normalization_of(load(tmp_path, histogram="equalize"))


def expect_normalization_of(dataset):
    images = dataset.train.inner.read(np.arange(len(dataset.train)))[0]
    pixels = np.stack([Histogram("equalize").apply(image) for image in images]).astype(np.float64)
    np.testing.assert_allclose(dataset.normalization.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(dataset.normalization.std, pixels.std(axis=(0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize(("cache_mib", "again"), [(1, 0), (0, 3)])
def test_files_are_equalized_once_for_all_epochs_where_there_is_room(folder, monkeypatch, cache_mib, again):
    dataset, plain = load(folder, histogram="equalize", cache_mib=cache_mib), load(folder)
    apply, applied = Histogram.apply, []
    order = np.array([3, 0, 2])

    def expect_equalized(split, before, indices):
        images, labels = split.read(indices)
        expected, same = before.read(indices)
        np.testing.assert_array_equal(images, [apply(Histogram("equalize"), image) for image in expected])
        np.testing.assert_array_equal(labels, same)

    expect_equalized(dataset.train, plain.train, order)
    expect_equalized(dataset.test, plain.test, np.array([0]))
    monkeypatch.setattr(Histogram, "apply", lambda self, image: applied.append(1) or apply(self, image))
    expect_equalized(dataset.train, plain.train, order[::-1])
    assert len(applied) == again


def test_what_is_decoded_is_kept_rather_than_what_is_changed(folder, monkeypatch):
    """Three quarters of the room are for it."""
    monkeypatch.setattr("segsweep.data.file_source.SampleCache", lambda limit: SampleCache(3 * 24 * 32 * 13))
    dataset = load(folder, histogram="equalize")
    assert len(dataset.train) > 3
    dataset.train.read(np.arange(len(dataset.train)))
    assert all(isinstance(key, int) for key in dataset.train.inner.cache._kept)
