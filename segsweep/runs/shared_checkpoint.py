"""A training's checkpoint where other hosts can go on with it: with the artifacts of its run."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


class SharedCheckpoint:
    """Copies a checkpoint file to the store while the training goes on.

    A store in an SQLite file needs no copy: its checkpoints lie beside it, where all that reach it reach them.
    """

    def __init__(self, store: Store, file: Path):
        self._store = store
        self._file = file
        self._is_shared = store.location.database is None
        self._offered = threading.Event()
        self._over = False

    def fetch(self, interrupted: Sequence[RunRecord]) -> None:
        """Bring the latest copy among the runs `interrupted` (newest first), if there is one."""
        if not self._is_shared:
            return
        for record in interrupted:
            content = self._store.artifacts.read(record, names.CHECKPOINT_FILE)
            if content is not None:
                self._file.write_bytes(content)
                return

    @contextmanager
    def uploading(self, run_id: str) -> Iterator[None]:
        """Copy what is offered to `run_id`, from another thread; of several offers in the meantime, the last."""
        if not self._is_shared:
            yield
            return
        thread = threading.Thread(target=self._upload, args=(run_id,), name="checkpoint", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over = True
            self._offered.set()

    def offer(self) -> None:
        """The file holds a new state."""
        self._offered.set()

    def _upload(self, run_id: str) -> None:
        while True:
            self._offered.wait()
            self._offered.clear()
            if self._over:
                return
            try:
                self._store.upload_quietly(run_id, names.CHECKPOINT_FILE, self._file.read_bytes())
            except Exception:
                # Not reached, or the training has just ended: the next offer is as good.
                continue
