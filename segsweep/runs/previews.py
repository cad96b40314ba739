"""Pictures of what a model predicts for some validation images, logged while it trains."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from segsweep.data.dataset import Dataset
from segsweep.data.pictures import coloured, mosaic, true_colour
from segsweep.errors import reason_of
from segsweep.tracking import names
from segsweep.tracking.store import Store

_WIDTH = 512
_SECONDS_TO_STOP = 1.0
_SHARE_OF_TIME = 0.02
"""What pictures may take of a training's time: those of shorter epochs are left out, but the first, best and last."""


class Previews:
    """Draws and logs pictures from a thread, so that the training does not wait: image, truth and prediction a row."""

    def __init__(self, store: Store, dataset: Dataset, count: int):
        """`count` images are taken from all over the validation split."""
        self._store = store
        self._dataset = dataset
        count = min(count, len(dataset.validation))
        self.images: list[int] = np.linspace(0, len(dataset.validation) - 1, count).round().astype(int).tolist()
        self.also: Callable[[int, Image.Image], None] | None = None
        """Is given each epoch that is drawn, and its picture."""
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []
        self._latest: tuple[int, list[np.ndarray]] | None = None
        self._best: tuple[int, list[np.ndarray]] | None = None
        self._failed = False
        """Whether a failure has been told, which is done once."""
        self._offered = threading.Event()
        self._ended = threading.Event()

    def show(self, epoch: int, predictions: list[np.ndarray], is_best: bool) -> None:
        """An epoch is done; `predictions` are class ids (H, W) uint8 of each of `images`."""
        self._latest = epoch, predictions
        if is_best:
            self._best = self._latest
        self._offered.set()

    @contextmanager
    def logging(self, run_id: str) -> Iterator[None]:
        """Log what is shown to `run_id`; in the end, wait for the best and the last."""
        if not self.images:
            yield
            return
        thread = threading.Thread(target=self._log_all, args=(run_id,), name="previews", daemon=True)
        thread.start()
        patience: float | None = _SECONDS_TO_STOP
        try:
            yield
            patience = None
        finally:
            if patience is not None:
                # What is stopped waits for no picture.
                self._latest = self._best = None
            self._ended.set()
            self._offered.set()
            thread.join(patience)

    def _log_all(self, run_id: str) -> None:
        logged: set[int] = set()
        pause = 0.0
        while not self._ended.wait(pause):
            self._offered.wait()
            self._offered.clear()
            if not self._ended.is_set():
                pause = self._log(run_id, self._latest, logged) / _SHARE_OF_TIME
        for shown in (self._best, self._latest):
            self._log(run_id, shown, logged)

    def _log(self, run_id: str, shown: tuple[int, list[np.ndarray]] | None, logged: set[int]) -> float:
        """Draw and log an epoch that was not logged before; return the seconds it took."""
        if shown is None or shown[0] in logged:
            return 0.0
        start = time.perf_counter()
        logged.add(shown[0])
        # Whatever fails here, such as a server that does not answer, a picture is missed; the training goes on.
        try:
            picture = self.picture(shown[1])
            if self.also is not None:
                self.also(shown[0], picture)
            self._store.add_image(run_id, names.PREVIEWS, picture, shown[0])
        except Exception as error:
            if not self._failed:
                self._failed = True
                print(f"segsweep: previews: a picture is missed ({reason_of(error)})", file=sys.stderr)
        return time.perf_counter() - start

    def picture(self, predictions: list[np.ndarray]) -> Image.Image:
        """A row an image: the image, its truth, and the prediction."""
        palette = self._dataset.palette
        if not self._rows:
            images, labels = self._dataset.validation.read(np.array(self.images))
            self._rows = [
                (true_colour(image, self._dataset.rgb), coloured(label, palette))
                for image, label in zip(images, labels, strict=True)
            ]
        height, width, _ = self._dataset.validation.image_shape
        rows = [
            [image, truth, coloured(predicted[:height, :width], palette)]
            for (image, truth), predicted in zip(self._rows, predictions, strict=True)
        ]
        return mosaic(rows, _WIDTH)
