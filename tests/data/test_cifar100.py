"""CIFAR-100's two formats, as https://www.cs.toronto.edu/~kriz/cifar.html describes them."""

import pickle

import numpy as np
import pytest

from segsweep.config.data_schema import Cifar100Config
from segsweep.data.cifar100 import load
from segsweep.data.class_frequencies import absent_classes
from segsweep.errors import DataError

RANDOM = np.random.default_rng(0)
IMAGES = {"train": RANDOM.integers(0, 256, (30, 32, 32, 3)), "test": RANDOM.integers(0, 256, (9, 32, 32, 3))}
FINE = {"train": np.arange(30) % 100, "test": 99 - np.arange(9)}
COARSE = {name: labels // 5 for name, labels in FINE.items()}
FINE_NAMES, COARSE_NAMES = [f"fine_{index}" for index in range(100)], [f"coarse_{index}" for index in range(20)]


def planes(name):
    """(N, 3072): all reds of an image, row by row, then the greens, then the blues."""
    return np.stack([np.concatenate([image[..., band].ravel() for band in range(3)]) for image in IMAGES[name]])


def write_binary(root):
    root.mkdir(parents=True, exist_ok=True)
    for name in IMAGES:
        content = b"".join(
            bytes([coarse, fine]) + bytes(pixels.tolist())
            for coarse, fine, pixels in zip(COARSE[name], FINE[name], planes(name), strict=True)
        )
        (root / f"{name}.bin").write_bytes(content)
    (root / "fine_label_names.txt").write_text("\n".join(FINE_NAMES) + "\n\n")
    (root / "coarse_label_names.txt").write_text("\n".join(COARSE_NAMES) + "\n")


def write_pickled(root):
    root.mkdir(parents=True, exist_ok=True)
    for name in IMAGES:
        content = {
            b"data": planes(name).astype(np.uint8),
            b"fine_labels": FINE[name].tolist(),
            b"coarse_labels": COARSE[name].tolist(),
            b"filenames": [b"x.png"] * len(IMAGES[name]),
            b"batch_label": b"part 1 of 1",
        }
        (root / name).write_bytes(pickle.dumps(content, protocol=2))
    names = {b"fine_label_names": [name.encode() for name in FINE_NAMES]}
    names[b"coarse_label_names"] = [name.encode() for name in COARSE_NAMES]
    (root / "meta").write_bytes(pickle.dumps(names, protocol=2))


@pytest.mark.parametrize("write", [write_binary, write_pickled])
@pytest.mark.parametrize("folder", [".", "cifar-100-binary", "cifar-100-python"])
def test_both_formats_hold_the_same(tmp_path, write, folder):
    write(tmp_path / folder)
    dataset = load(Cifar100Config(root=str(tmp_path)))
    assert dataset.classes == tuple(FINE_NAMES)
    images, labels = dataset.test.read(np.arange(9))
    np.testing.assert_array_equal(images, IMAGES["test"])
    np.testing.assert_array_equal(labels.ravel(), FINE["test"])
    assert len(dataset.train) + len(dataset.validation) == 30
    coarse = load(Cifar100Config(root=str(tmp_path), labels="coarse"))
    assert coarse.classes == tuple(COARSE_NAMES)
    np.testing.assert_array_equal(coarse.test.read(np.arange(9))[1].ravel(), COARSE["test"])


def test_images_of_the_test_are_not_learnt_from(tmp_path, monkeypatch):
    monkeypatch.setitem(IMAGES, "train", np.concatenate([IMAGES["test"][:2], IMAGES["train"][2:]]))
    write_binary(tmp_path)
    dataset = load(Cifar100Config(root=str(tmp_path)))
    assert len(dataset.train) + len(dataset.validation) == 28
    assert dataset.remarks == ("2 training images are in the test part too; they are left out",)


class Bomb:
    def __reduce__(self):
        return print, ("it ran",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps({b"data": Bomb()}, protocol=2), "asks for"),
        (b"\x80\x02}", "damaged"),
        (pickle.dumps([1], protocol=2), "none of CIFAR-100's"),
        (pickle.dumps({b"data": 3}, protocol=2), "none of CIFAR-100's"),
    ],
)
def test_other_pickles_are_refused_and_do_nothing(tmp_path, capsys, content, words):
    write_pickled(tmp_path)
    (tmp_path / "train").write_bytes(content)
    with pytest.raises(DataError, match=words):
        load(Cifar100Config(root=str(tmp_path)))
    assert "it ran" not in capsys.readouterr().out


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(DataError, match=r"holds neither train\.bin nor train; unpack"):
        load(Cifar100Config(root=str(tmp_path)))
    write_binary(tmp_path)
    (tmp_path / "test.bin").write_bytes(b"123")
    with pytest.raises(DataError, match=r"test\.bin: 3 bytes are no whole number of records of 3074"):
        load(Cifar100Config(root=str(tmp_path)))
    write_binary(tmp_path)
    (tmp_path / "test.bin").write_bytes(bytes([0, 100]) + bytes(3072))
    with pytest.raises(DataError, match="fine label 100; there are 0 to 99"):
        load(Cifar100Config(root=str(tmp_path)))
    write_binary(tmp_path)
    (tmp_path / "fine_label_names.txt").write_text("one\n")
    with pytest.raises(DataError, match="names 1 classes; CIFAR-100 has 100 fine ones"):
        load(Cifar100Config(root=str(tmp_path)))


def test_of_many_absent_classes_some_are_named(tmp_path):
    write_binary(tmp_path)
    *_, tested = absent_classes(load(Cifar100Config(root=str(tmp_path))))
    assert tested.endswith("fine_7 and 83 more classes: in no image of the test split")
