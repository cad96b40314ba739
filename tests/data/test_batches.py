import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from segsweep.config.training_schema import AugmentationConfig
from segsweep.data.batches import evaluation_batches, network_size, pad, training_batches
from segsweep.data.class_frequencies import class_frequencies
from segsweep.data.dataset import IGNORE, ArraySplit, Normalization

IDENTITY = Normalization(np.zeros(2, np.float32), np.ones(2, np.float32))
NO_AUGMENTATION = AugmentationConfig(flips=False, turns=False)
ALL_SYMMETRIES = AugmentationConfig(flips=True, turns=True)


def numbered_split(images: int = 9, height: int = 6, width: int = 6) -> ArraySplit:
    """No two pixels are alike; the second band and the labels say the image's index."""
    pixels = np.arange(images * height * width, dtype=np.uint16).reshape(images, height, width)
    labels = (pixels % 200).astype(np.uint8)
    return ArraySplit(np.stack([pixels, np.broadcast_to(np.arange(images)[:, None, None], pixels.shape)], -1), labels)


def epoch_of(split, batch_size=4, size=(6, 6), augmentation=None, seed=1, epoch=1):
    """Images and labels of an epoch in the order of their indices, and that order."""
    augmentation = augmentation or ALL_SYMMETRIES
    batches = list(
        training_batches(
            split,
            IDENTITY,
            size=size,
            batch_size=batch_size,
            augmentation=augmentation,
            seed=seed,
            epoch=epoch,
        )
    )
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    order = images[:, 0, 0, 1].astype(int)
    return images[np.argsort(order)], labels[np.argsort(order)], order


def symmetries(array: np.ndarray, turns=(0, 1, 2, 3), mirror=(False, True)) -> list[np.ndarray]:
    return [np.rot90(array[:, ::-1] if m else array, k) for m in mirror for k in turns]


def matching(changed: np.ndarray, candidates: list[np.ndarray]) -> list[int]:
    return [i for i, candidate in enumerate(candidates) if np.array_equal(changed, candidate)]


class TestPad:
    def test_reflects_images_and_ignores_labels(self):
        images = np.array([[1, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
        padded, labels = pad(images, np.full((1, 2, 3), 7, np.uint8), (4, 5))
        expected = [[1, 2, 3, 2, 1], [4, 5, 6, 5, 4], [1, 2, 3, 2, 1], [4, 5, 6, 5, 4]]
        np.testing.assert_array_equal(padded[0, ..., 0], expected)
        np.testing.assert_array_equal(labels[0], [[7, 7, 7, IGNORE, IGNORE]] * 2 + [[IGNORE] * 5] * 2)
        assert labels.dtype == np.uint8

    def test_larger_than_the_image(self):
        row = np.array([1, 2, 3]).reshape(1, 1, 3, 1)
        padded, _ = pad(row, np.zeros((1, 1, 3), np.uint8), (3, 11))
        np.testing.assert_array_equal(padded[0, ..., 0], [[1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3]] * 3)

    def test_refuses_to_crop(self):
        with pytest.raises(ValueError, match="negative"):
            pad(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4), np.uint8), (4, 3))


@pytest.mark.parametrize(
    ("shapes", "multiple", "expected"),
    [
        ([(64, 64, 3)], 8, (64, 64)),
        ([(65, 64, 3)], 8, (72, 64)),
        ([(10, 3, 1), (2, 17, 1)], 16, (16, 32)),
        ([(5, 7, 1)], 1, (5, 7)),
    ],
)
def test_network_size(shapes, multiple, expected):
    assert network_size(iter(shapes), multiple) == expected


class TestTrainingBatches:
    @pytest.mark.parametrize("batch_size", [1, 4, 9, 100])
    def test_each_image_once_whatever_the_batch_size(self, batch_size):
        split = numbered_split()
        images, labels, order = epoch_of(split, batch_size)
        assert sorted(order) == list(range(9))
        reference_images, reference_labels, reference_order = epoch_of(split, 3)
        np.testing.assert_array_equal(images, reference_images)
        np.testing.assert_array_equal(labels, reference_labels)
        np.testing.assert_array_equal(order, reference_order)

    def test_last_batch_is_short(self):
        batches = training_batches(
            numbered_split(), IDENTITY, size=(6, 6), batch_size=4, augmentation=NO_AUGMENTATION, seed=0, epoch=0
        )
        assert [len(labels) for _, labels in batches] == [4, 4, 1]

    def test_seed_and_epoch_change_order_and_augmentation(self):
        split = numbered_split(40)
        images, _, order = epoch_of(split, seed=1, epoch=1)
        for other in ({"seed": 2, "epoch": 1}, {"seed": 1, "epoch": 2}):
            other_images, _, other_order = epoch_of(split, **other)
            assert not np.array_equal(order, other_order)
            assert not np.array_equal(images, other_images)

    @pytest.mark.parametrize(
        ("augmentation", "size", "turns", "mirror", "expected"),
        [
            (ALL_SYMMETRIES, (6, 6), (0, 1, 2, 3), (False, True), 8),
            (AugmentationConfig(flips=False, turns=True), (6, 6), (0, 1, 2, 3), (False,), 4),
            (AugmentationConfig(flips=True, turns=False), (6, 6), (0, 2), (False, True), 4),
            (ALL_SYMMETRIES, (6, 8), (0, 2), (False, True), 4),
            (AugmentationConfig(flips=False, turns=True), (6, 8), (0, 2), (False,), 2),
            (NO_AUGMENTATION, (6, 6), (0,), (False,), 1),
        ],
    )
    def test_image_and_labels_move_together_by_every_allowed_symmetry_alike_often(
        self, augmentation, size, turns, mirror, expected
    ):
        split = numbered_split(400)
        padded_images, padded_labels = pad(split.images, split.labels, size)
        images, labels, _ = epoch_of(split, batch_size=64, size=size, augmentation=augmentation)
        seen = np.zeros(expected, int)
        for index in range(400):
            found = matching(images[index], symmetries(padded_images[index], turns, mirror))
            assert len(found) == 1
            assert found[0] in matching(labels[index], symmetries(padded_labels[index], turns, mirror))
            seen[found[0]] += 1
        # Five standard deviations of a fair draw.
        spread = 5 * np.sqrt(400 / expected * (1 - 1 / expected))
        assert (abs(seen - 400 / expected) <= spread).all()

    def test_switching_flips_off_leaves_order_as_it_was(self):
        assert np.array_equal(
            epoch_of(numbered_split())[2], epoch_of(numbered_split(), augmentation=NO_AUGMENTATION)[2]
        )

    def test_normalizes(self):
        normalization = Normalization(np.array([10, 1], np.float32), np.array([2, 4], np.float32))
        batch, _ = next(
            training_batches(
                numbered_split(),
                normalization,
                size=(6, 6),
                batch_size=9,
                augmentation=NO_AUGMENTATION,
                seed=0,
                epoch=0,
            )
        )
        index = int(batch[0, 0, 0, 1] * 4 + 1)
        assert batch.dtype == np.float32
        np.testing.assert_allclose(batch[0, ..., 0], (numbered_split().images[index, ..., 0] - 10) / 2)


@dataclass(frozen=True)
class FailingSplit(ArraySplit):
    def read(self, indices):
        if 5 in indices:
            raise OSError("the disk is gone")
        return super().read(indices)


class TestBackground:
    def test_failure_is_raised_where_its_batch_would_have_come(self):
        split = FailingSplit(numbered_split().images, numbered_split().labels)
        batches = evaluation_batches(split, IDENTITY, size=(6, 6), batch_size=2)
        assert len(next(batches)[1]) == len(next(batches)[1]) == 2
        with pytest.raises(OSError, match="the disk is gone"):
            next(batches)
        assert_no_thread()

    @pytest.mark.parametrize("taken", [0, 1, 9])
    def test_closing_ends_the_thread(self, taken):
        batches = evaluation_batches(numbered_split(), IDENTITY, size=(6, 6), batch_size=1)
        for _ in range(taken):
            next(batches)
        batches.close()
        assert_no_thread()

    def test_reads_ahead_but_not_far(self):
        reads = []

        @dataclass(frozen=True)
        class Recorded(ArraySplit):
            def read(self, indices):
                reads.append(threading.current_thread())
                return super().read(indices)

        split = Recorded(numbered_split(50).images, numbered_split(50).labels)
        batches = evaluation_batches(split, IDENTITY, size=(6, 6), batch_size=1)
        next(batches)
        deadline = time.monotonic() + 10
        while len(reads) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert len(reads) == 3
        assert threading.main_thread() not in reads
        batches.close()


def assert_no_thread():
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_evaluation_batches_are_in_order_and_padded():
    split = numbered_split(5, height=5, width=6)
    batches = list(evaluation_batches(split, IDENTITY, size=(8, 8), batch_size=2))
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    np.testing.assert_array_equal(images[:, :5, :6], split.images)
    np.testing.assert_array_equal(labels[:, :5, :6], split.labels)
    assert (labels[:, 5:] == IGNORE).all()
    assert (labels[:, :, 6:] == IGNORE).all()


def test_class_frequencies_count_every_image_and_leave_out_ignored_pixels():
    labels = np.random.default_rng(0).choice([0, 2, IGNORE], size=(130, 4, 4)).astype(np.uint8)
    counts = class_frequencies(ArraySplit(np.zeros((130, 4, 4, 1), np.uint8), labels), 3)
    assert counts.tolist() == [(labels == 0).sum(), 0, (labels == 2).sum()]
