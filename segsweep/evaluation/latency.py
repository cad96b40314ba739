"""How long one image takes on this host."""

import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from segsweep.tflite.interpreter import TFLiteModel

_FEWEST_RUNS = 5


class Patience(Protocol):
    """How long to measure; the configuration's `LatencyConfig` says it."""

    @property
    def warmup_runs(self) -> int: ...

    @property
    def runs(self) -> int: ...

    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True)
class Latency:
    """Wall time of one invoke: one image, one thread, warm."""

    p50_ms: float
    p95_ms: float
    runs: int
    """How many invokes the percentiles rest on."""
    seconds: float
    """Wall time of all invokes, those before the clock started included."""


def measure_latency(file: bytes | Path, config: Patience) -> Latency:
    """Time invokes of a file (its bytes or its path) until `config.runs` or `config.seconds` is reached, 5 at least."""
    model = TFLiteModel(file, threads=1)
    image = np.random.default_rng(0).standard_normal((1, *model.input_shape)).astype(np.float32)
    for _ in range(max(1, config.warmup_runs)):
        model.predict(image)
    times: list[float] = []
    deadline = time.perf_counter() + config.seconds
    while len(times) < config.runs and (len(times) < _FEWEST_RUNS or time.perf_counter() < deadline):
        before = model.invoke_seconds
        model.predict(image)
        times.append((model.invoke_seconds - before) * 1e3)
    p50, p95 = np.percentile(times, [50, 95])
    return Latency(float(p50), float(p95), len(times), model.invoke_seconds)


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
