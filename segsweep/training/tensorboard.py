"""TensorBoard event files of a training, readable while it goes on."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from segsweep.data.pictures import png
from segsweep.training.history import EpochReport


def _metadata(plugin: str, data_class: int) -> tf.compat.v1.SummaryMetadata:
    """Of values as TensorBoard's own `tf.summary.scalar` and `image` write them, which need the package installed."""
    plugin_data = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
    return tf.compat.v1.SummaryMetadata(plugin_data=plugin_data, data_class=data_class)


# The classes of data are those of tensorboard/compat/proto/summary.proto.
_SCALAR, _IMAGE = _metadata("scalars", 1), _metadata("images", 3)


class TensorBoardLog:
    """Writes event files into a folder; of an earlier attempt, what is there is kept."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._known = {path.name for path in folder.glob("events.*")}
        self._steps: set[int] = set()
        self._writer = tf.summary.create_file_writer(str(folder))

    def add(self, report: EpochReport) -> None:
        """The metrics of an epoch."""
        with self._writer.as_default(step=report.epoch):
            for name, value in report.metrics.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=_SCALAR)
        self._steps.add(report.epoch)
        self._writer.flush()

    def add_image(self, epoch: int, name: str, picture: np.ndarray) -> None:
        """A picture (H, W, 3) uint8."""
        height, width, _ = picture.shape
        content = [str(width).encode(), str(height).encode(), png(Image.fromarray(picture))]
        with self._writer.as_default(step=epoch):
            tf.summary.write(name, tf.constant(content), metadata=_IMAGE)
        self._writer.flush()

    def complete(self, history: tuple[EpochReport, ...]) -> dict[str, bytes]:
        """All files by name, with the epochs of an earlier attempt that was made elsewhere, and no more to come."""
        if not self._known:
            for report in history:
                if report.epoch not in self._steps:
                    self.add(report)
        self._writer.close()
        return {path.name: path.read_bytes() for path in sorted(self.folder.glob("events.*"))}
