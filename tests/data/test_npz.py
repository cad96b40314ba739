"""The course's archives: what is read, and each way they can be wrong."""

import contextlib

import numpy as np
import pytest

from segsweep.config.data_schema import NpzConfig
from segsweep.data import npz
from segsweep.data.dataset import IGNORE
from segsweep.data.sources import load_dataset
from segsweep.errors import DataError


def arrays(images=10, size=8, bands=3, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "X": rng.integers(0, 10000, (images, size, size, bands)).astype(np.uint16),
        "Y": rng.integers(0, classes, (images, size, size)).astype(np.uint8),
    }


@pytest.fixture
def write(tmp_path):
    def save(name="train.npz", **content):
        path = tmp_path / name
        np.savez(path, **content)
        return str(path)

    return save


def test_two_files(write):
    train, test = arrays(), arrays(4, seed=1)
    dataset = load_dataset(NpzConfig(train=write(**train), test=write("test.npz", **test), classes=["a", "b"]))
    assert dataset.classes == ("a", "b")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (8, 2, 4)
    np.testing.assert_array_equal(dataset.test.read(np.arange(4))[0], test["X"])
    np.testing.assert_array_equal(dataset.test.read(np.arange(4))[1], test["Y"])


def test_normalization_is_of_the_training_split_alone(write):
    train, test = arrays(), arrays(4, seed=1)
    test["X"] += 30000
    dataset = load_dataset(NpzConfig(train=write(**train), test=write("test.npz", **test)))
    seen = dataset.train.read(np.arange(len(dataset.train)))[0].reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(dataset.normalization.mean, seen.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(dataset.normalization.std, seen.std(axis=0), rtol=1e-6)


def test_one_file_is_split_three_ways_without_overlap(write):
    content = arrays(20)
    dataset = load_dataset(NpzConfig(train=write(**content), test_fraction=0.25, validation_fraction=0.2))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 3, 5)
    everything = np.concatenate(
        [split.read(np.arange(len(split)))[0] for split in (dataset.train, dataset.validation, dataset.test)]
    )
    assert {image.tobytes() for image in everything} == {image.tobytes() for image in content["X"]}


def test_groups_never_fall_on_both_sides(write):
    content = arrays(24)
    content["place"] = np.repeat(["a", "b", "c", "d", "e", "f"], 4)
    by_image = {image.tobytes(): place for image, place in zip(content["X"], content["place"], strict=True)}
    dataset = load_dataset(NpzConfig(train=write(**content), groups="place"))
    places = [
        {by_image[image.tobytes()] for image in split.read(np.arange(len(split)))[0]}
        for split in (dataset.train, dataset.validation, dataset.test)
    ]
    assert all(places)
    assert not places[0] & places[1]
    assert not places[0] & places[2]
    assert not places[1] & places[2]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.uint32])
def test_any_numeric_type_and_a_trailing_axis_of_one(write, dtype):
    content = arrays()
    content["X"] = (content["X"] % 100).astype(dtype)
    content["Y"] = content["Y"][..., None].astype(np.float32)
    dataset = load_dataset(NpzConfig(train=write(**content)))
    assert dataset.train.read(np.array([0]))[1].shape == (1, 8, 8)


def test_ignored_label_becomes_ignore_and_is_no_class(write):
    content = arrays()
    content["Y"][:, :2] = 77
    dataset = load_dataset(NpzConfig(train=write(**content), ignore_label=77))
    labels = dataset.train.read(np.arange(len(dataset.train)))[1]
    assert (labels[:, :2] == IGNORE).all()
    assert set(np.unique(labels)) == {0, 1, IGNORE}
    assert len(dataset.classes) == 2


def test_negative_label_may_be_the_ignored_one(write):
    content = arrays()
    content["Y"] = content["Y"].astype(np.int8)
    content["Y"][0] = -1
    dataset = load_dataset(NpzConfig(train=write(**content), ignore_label=-1))
    assert len(dataset.classes) == 2


def test_number_of_classes_comes_from_all_files(write):
    test = arrays(4, seed=1)
    test["Y"][0, 0, 0] = 4
    dataset = load_dataset(NpzConfig(train=write(**arrays(classes=3)), test=write("test.npz", **test)))
    assert dataset.classes == ("class_0", "class_1", "class_2", "class_3", "class_4")


def wrong(change):
    content = arrays()
    change(content)
    return content


def set_y(value):
    def change(content):
        content["Y"] = content["Y"].astype(type(value) if isinstance(value, float) else np.int16)
        content["Y"][3, 2, 1] = value

    return change


def set_x(value):
    def change(content):
        content["X"] = content["X"].astype(np.float64)
        content["X"][3, 2, 1, 0] = value

    return change


WRONG = {
    "no X": (lambda c: c.pop("X"), "no array X"),
    "no Y": (lambda c: c.pop("Y"), "no array Y"),
    "lengths": (lambda c: c.update(Y=c["Y"][:5]), "10 images in X but 5 masks"),
    "sizes": (lambda c: c.update(Y=c["Y"][:, :4]), "masks of 4x8"),
    "empty": (lambda c: c.update(X=c["X"][:0], Y=c["Y"][:0]), "empty"),
    "three axes": (lambda c: c.update(X=c["X"][..., 0]), "shape"),
    "text": (lambda c: c.update(X=c["X"].astype(str)), "numbers are needed"),
    "all ignored": (lambda c: c.update(Y=c["Y"] * 0 + 9), "no labelled pixel|is labelled"),
    "beyond 32-bit floats": (set_x(1e39), "32-bit"),
    "enormous label": (set_y(1e300), "1e\\+300"),
    "lowest double": (set_x(-1.7e308), "1 infinite values \\(or beyond 32-bit"),
    "infinite": (set_x(np.inf), "image 3 at row 2, column 1, band 0"),
    "negative label": (set_y(-1), "label -1"),
    "large label": (set_y(900), "data.ignore_label=900"),
    "label out of range": (set_y(5), "label 5"),
    "fraction of a label": (set_y(0.5), "0.5"),
    "one class": (lambda c: c.update(Y=c["Y"] * 0), "only the class 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays_are_refused(write, case):
    change, message = WRONG[case]
    classes = ["a", "b"] if case in ("negative label", "label out of range") else None
    ignore = 9 if case == "all ignored" else None
    with pytest.raises(DataError, match=message):
        load_dataset(NpzConfig(train=write(**wrong(change)), classes=classes, ignore_label=ignore))


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = tmp_path / "train.npz"
    np.savez(path, X=np.array([Trap()], dtype=object), Y=np.zeros((1, 2, 2), int))
    with pytest.raises(DataError, match="never unpickled"):
        load_dataset(NpzConfig(train=str(path)))


@pytest.mark.parametrize("content", [b"", b"not an archive", None], ids=["empty", "text", "truncated"])
def test_a_file_that_is_no_archive(write, tmp_path, content):
    path = tmp_path / "broken.npz"
    whole = (tmp_path / write(**arrays())).read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(DataError, match=r"broken\.npz"):
        load_dataset(NpzConfig(train=str(path)))


def test_a_single_array_is_no_archive(tmp_path):
    path = tmp_path / "train.npy"
    np.save(path, np.zeros((2, 4, 4, 3)))
    with pytest.raises(DataError, match="single array"):
        load_dataset(NpzConfig(train=str(path)))


def test_a_file_that_is_missing():
    with pytest.raises(DataError, match="no such file"):
        load_dataset(NpzConfig(train="nowhere.npz"))


def test_other_bands_in_the_test_file(write):
    with pytest.raises(DataError, match="4 bands"):
        load_dataset(NpzConfig(train=write(**arrays()), test=write("test.npz", **arrays(bands=4, seed=1))))


def test_an_image_in_training_and_test(write):
    train, test = arrays(), arrays(4, seed=1)
    test["X"][2] = train["X"][0]
    test["X"][3] = train["X"][1]
    with pytest.raises(DataError, match=r"both in the|images are"):
        load_dataset(NpzConfig(train=write(**train), test=write("test.npz", **test), validation_fraction=0.1))


def test_more_validation_than_data(write):
    with pytest.raises(DataError, match=r"data\.validation_fraction"):
        load_dataset(NpzConfig(train=write(**arrays(1)), test=write("test.npz", **arrays(2, seed=1))))


def test_a_test_split_without_a_label(write):
    test = arrays(4, seed=1)
    test["Y"][:] = 9
    with pytest.raises(DataError, match="no pixel of the test split"):
        load_dataset(NpzConfig(train=write(**arrays()), test=write("test.npz", **test), ignore_label=9))


def test_too_many_classes(write):
    with pytest.raises(DataError, match=r"data\.classes: 256 names"):
        load_dataset(NpzConfig(train=write(**arrays()), classes=[f"c{index}" for index in range(256)]))


def test_the_same_images_as_another_type_are_seen(write):
    train = arrays()
    test = {"X": train["X"].astype(np.float32), "Y": train["Y"]}
    with pytest.raises(DataError, match="both in the"):
        load_dataset(NpzConfig(train=write(**train), test=write("test.npz", **test)))


def test_equal_images_of_one_file_stay_on_one_side(write):
    content = arrays(20)
    content["X"][::2] = 0
    dataset = load_dataset(NpzConfig(train=write(**content)))
    empty = [(split.read(np.arange(len(split)))[0] == 0).all(axis=(1, 2, 3)).any() for split in
             (dataset.train, dataset.validation, dataset.test)]  # fmt: skip
    assert sum(empty) == 1


def test_groups_that_are_not_numbers_count_as_one_group(write):
    content = arrays(24)
    place = np.repeat([1.0, 2.0, 3.0, np.nan], 6)
    for seed in range(4):
        dataset = load_dataset(NpzConfig(train=write(**content, place=place), groups="place", split_seed=seed))
        assert min(len(dataset.train), len(dataset.validation), len(dataset.test)) == 6


def test_two_files_that_share_a_group(write):
    train, test = arrays(), arrays(4, seed=1)
    paths = write(**train, place=np.arange(10)), write("test.npz", **test, place=np.arange(9, 13))
    with pytest.raises(DataError, match="1 values of place"):
        load_dataset(NpzConfig(train=paths[0], test=paths[1], groups="place"))


def test_a_compressed_file_with_a_flipped_byte(tmp_path):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, **arrays())
    whole = path.read_bytes()
    for position in range(60, len(whole) - 200, len(whole) // 40):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            npz.load(NpzConfig(train=str(path)))


def test_groups_that_do_not_fit(write):
    content = arrays()
    with pytest.raises(DataError, match="one value an image"):
        load_dataset(NpzConfig(train=write(**content, place=np.arange(3)), groups="place"))


def test_names_that_do_not_fit(write):
    path = write(**arrays())
    with pytest.raises(DataError, match=r"data\.bands"):
        npz.load(NpzConfig(train=path, bands=["red"]))
    with pytest.raises(DataError, match=r"data\.rgb"):
        npz.load(NpzConfig(train=path, rgb=[0, 1, 7]))
    with pytest.raises(DataError, match=r"data\.classes"):
        npz.load(NpzConfig(train=path, classes=["a", "a"]))
