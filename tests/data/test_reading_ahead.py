import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from test_batches import IDENTITY, assert_no_thread, numbered_split

from segsweep.data.batches import evaluation_batches
from segsweep.data.dataset import ArraySplit
from segsweep.data.reading_ahead import read_ahead


@dataclass(frozen=True)
class SlowSplit:
    """Reads as files do, in any thread, and does as `before` says with what it is asked for."""

    inner: ArraySplit
    before: Callable[[np.ndarray], None]

    @property
    def image_shape(self):
        return self.inner.image_shape

    fingerprint = "slow"

    def __len__(self):
        return len(self.inner)

    def read(self, indices):
        self.before(indices)
        return self.inner.read(indices)


class TestReadAhead:
    ORDER = [np.array([4, 1]), np.array([0, 3]), np.array([2])]

    def test_in_the_order_asked_for(self):
        split = SlowSplit(numbered_split(5), lambda indices: time.sleep(0.03 * (4 in indices)))
        for source in (split, split.inner):
            read = list(read_ahead(source, self.ORDER))
            assert [indices.tolist() for indices, _, _ in read] == [[4, 1], [0, 3], [2]]
            for indices, images, labels in read:
                np.testing.assert_array_equal(images, split.inner.images[indices])
                np.testing.assert_array_equal(labels, split.inner.labels[indices])

    def test_a_batch_begins_before_the_one_before_has_ended(self):
        second = threading.Event()

        def before(indices):
            second.set() if 0 in indices else None
            assert 4 not in indices or second.wait(10)

        assert len(list(read_ahead(SlowSplit(numbered_split(5), before), self.ORDER))) == 3

    def test_not_far_ahead(self):
        asked = []
        batches = read_ahead(SlowSplit(numbered_split(50), asked.append), [np.array([index]) for index in range(50)])
        next(batches)
        time.sleep(0.1)
        assert len(asked) <= 3
        batches.close()
        assert_no_thread()

    def test_what_fails_is_raised_and_ends_the_threads(self):
        def before(indices):
            if 0 in indices:
                raise OSError("the disk is gone")

        for batches in (
            read_ahead(SlowSplit(numbered_split(5), before), self.ORDER),
            evaluation_batches(SlowSplit(numbered_split(5), before), IDENTITY, size=(6, 6), batch_size=2),
        ):
            with pytest.raises(OSError, match="the disk is gone"):
                list(batches)
            assert_no_thread()

    @pytest.mark.parametrize("taken", [0, 1, 9])
    def test_closing_batches_ends_their_reading(self, taken):
        split = SlowSplit(numbered_split(), lambda indices: time.sleep(0.005))
        batches = evaluation_batches(split, IDENTITY, size=(6, 6), batch_size=1)
        for _ in range(taken):
            next(batches)
        batches.close()
        assert_no_thread()
