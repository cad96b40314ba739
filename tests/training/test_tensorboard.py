"""Event files, read back by TensorFlow's own reader of records."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from segsweep.training.history import EpochReport
from segsweep.training.tensorboard import TensorBoardLog


def report(epoch: int) -> EpochReport:
    return EpochReport(epoch, 3, {"val/loss": 0.5 / epoch, "train/loss": 1.0}, 0.1, None, 0)


def values(folder) -> list[tuple[int, str, str, np.ndarray]]:
    found = []
    for path in sorted(folder.glob("events.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                kind = value.metadata.plugin_data.plugin_name
                found.append((event.step, value.tag, kind, tf.make_ndarray(value.tensor)))
    return found


def test_metrics_and_pictures_can_be_read_while_it_goes_on(tmp_path):
    log = TensorBoardLog(tmp_path / "key")
    log.add(report(1))
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    log.add_image(1, "predictions", picture)
    (loss, other, image) = values(tmp_path / "key")
    assert (loss[:3], float(loss[3])) == ((1, "val/loss", "scalars"), 0.5)
    assert other[:3] == (1, "train/loss", "scalars")
    assert image[:3] == (1, "predictions", "images")
    assert image[3][:2].tolist() == [b"6", b"4"]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(image[3][2]))), picture)


def test_what_an_earlier_attempt_wrote_is_kept_and_what_it_wrote_elsewhere_is_added(tmp_path):
    history = tuple(map(report, (1, 2, 3)))
    first = TensorBoardLog(tmp_path / "same")
    first.add(history[0])
    for place, written in (("same", 1), ("elsewhere", 0)):
        log = TensorBoardLog(tmp_path / place)
        for each in history[1:]:
            log.add(each)
        files = log.complete(history)
        assert len(files) == written + 1
        assert sorted(step for step, tag, *_ in values(tmp_path / place) if tag == "val/loss") == [1, 2, 3]
        assert all((tmp_path / place / name).read_bytes() == content for name, content in files.items())
