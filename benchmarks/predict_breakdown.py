"""Where the processor time of `segsweep predict` goes, for one scene and one file.

python benchmarks/predict_breakdown.py MODEL SCENE [OVERLAP]

The functions of the worker are measured, called in this process: seconds of the threads that they run in, without those
of measured functions that they call. Start and write are the whole process's.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from typing import Any


class Spent:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._local = threading.local()

    def measure(self, owner: Any, name: str, what: str) -> None:
        """From now on each call of `owner.name` counts as `what`."""
        function = getattr(owner, name)

        def around(*arguments: Any, **settings: Any) -> Any:
            outer, self._local.inner = getattr(self._local, "inner", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*arguments, **settings)
            finally:
                seconds = time.thread_time() - began
                with self._lock:
                    self.seconds[what] += seconds - self._local.inner
                self._local.inner = outer + seconds

        setattr(owner, name, around)


class Stages:
    """When each stage began, in wall and in processor seconds of the whole process since it started."""

    def __init__(self) -> None:
        self.began: dict[str, tuple[float, float]] = {}

    def say(self, **message: object) -> None:
        """Of no interest here."""

    def tiles(self, more: int) -> None:
        """Of no interest here."""

    def stage(self, name: str) -> None:
        self.began[name] = (time.perf_counter(), time.process_time())


def main() -> None:
    """Prints a Markdown table."""
    began = time.perf_counter()
    os.environ["GDAL_CACHEMAX"] = "16"  # as `segsweep.predict.supervision` does
    from segsweep.predict import answering, blending, map_files, mapping, member, raster_scene
    from segsweep.predict.request import Request
    from segsweep.tflite.interpreter import TFLiteModel

    spent, stages = Spent(), Stages()
    for owner, name, what in (
        (raster_scene.RasterReader, "read", "read"),
        (member.Member, "prepared", "prepare"),
        (blending.SceneBlender, "_read", "prepare"),
        (TFLiteModel, "_invoke", "invoke"),
        (blending.SceneBlender, "_predicted", "probabilities of tiles, weighted"),
        (blending._Sums, "finished", "add up"),
        (mapping, "class_ids", "count and write"),
        (mapping, "count_classes", "count and write"),
        (map_files._RasterFile, "write", "count and write"),
        (TFLiteModel, "__init__", "interpreters"),
    ):
        spent.measure(owner, name, what)
    model, scene, *overlap = sys.argv[1:]
    output = tempfile.mkdtemp(prefix="segsweep-breakdown-")
    try:
        staging = tempfile.mkdtemp(dir=output)
        share = float(overlap[0]) if overlap else 0.25
        answering.answer(Request((model,), (scene,), output, staging, overlap=share), stages)
    finally:
        shutil.rmtree(output)
    wall, processor = time.perf_counter(), time.process_time()
    predicting, writing = stages.began["predicting"], stages.began["writing"]
    spent.seconds["start, imports and all"] = predicting[1]
    spent.seconds["write: overviews and compression"] = processor - writing[1]
    print("| what | processor seconds | share of the invokes |\n| --- | ---: | ---: |")
    for what, seconds in [*spent.seconds.items(), ("all", processor)]:
        print(f"| {what} | {seconds:.2f} | {seconds / spent.seconds['invoke']:.2f} |")
    print(f"\nWall seconds: start {predicting[0] - began:.2f}, tiles {writing[0] - predicting[0]:.2f}, "
          f"write {wall - writing[0]:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
