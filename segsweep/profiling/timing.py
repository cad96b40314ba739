"""How long a file and its parts take, measured in turn, so that what else the machine does falls on all alike.

With one thread the clock is that thread's own. By the clock on the wall, whatever else runs makes long invokes longer,
where short ones are done before their turn on the processor ends: parts would not add up to the whole.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.errors import ModelError
from segsweep.tflite.flatbuffer import reason

_ROUNDS = 5
_WARMUP = 2
"""Invokes at the beginning of each turn that do not count: the caches hold another's data."""
_FEWEST, _MOST = 3, 1000
"""Invokes a turn."""
_FINE = time.get_clock_info("thread_time").resolution <= 1e-6
"""Whether a thread's own clock can tell invokes apart; that of Windows cannot."""
_WHOLE = 4
"""Turns of a part that one of the whole file lasts."""


class Timed:
    """A file ready to run, with the times of its invokes."""

    def __init__(self, model: bytes, inputs: Sequence[np.ndarray], threads: int, delegates: bool) -> None:
        """Raises ModelError where LiteRT cannot run it."""
        resolver = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._clock = time.thread_time if threads == 1 and _FINE else time.perf_counter
        self._seconds: list[float] = []
        self._wall: list[float] = []
        try:
            self._interpreter = Interpreter(
                model_content=model, num_threads=threads, experimental_op_resolver_type=resolver
            )
            self._interpreter.allocate_tensors()
            for detail, values in zip(self._interpreter.get_input_details(), inputs, strict=True):
                self._interpreter.set_tensor(detail["index"], values)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"LiteRT cannot run the .tflite file: {reason(error)}") from error

    @property
    def kernels(self) -> str:
        """What computes: `xnnpack`, where that delegate took over at least a part, or LiteRT's `builtin` kernels."""
        return (
            "xnnpack" if "DELEGATE" in {each["op_name"] for each in self._interpreter._get_ops_details()} else "builtin"
        )

    @property
    def ms(self) -> float:
        """Median time of an invoke: of the processor with one thread, else as `wall_ms`."""
        return float(np.median(self._seconds)) * 1e3

    @property
    def wall_ms(self) -> float:
        """Median time of an invoke by the clock on the wall."""
        return float(np.median(self._wall)) * 1e3

    def turn(self, seconds: float, sign: Callable[[], None]) -> None:
        """Invoke for about so long, calling `sign` after each."""
        for _ in range(_WARMUP):
            self._interpreter.invoke()
            sign()
        end = time.perf_counter() + seconds
        for number in range(_MOST):
            start = time.perf_counter()
            if number >= _FEWEST and start >= end:
                return
            before = self._clock()
            self._interpreter.invoke()
            self._seconds.append(self._clock() - before)
            self._wall.append(time.perf_counter() - start)
            sign()


def measure(whole: Timed, parts: Sequence[Timed], seconds: float, sign: Callable[[], None]) -> None:
    """Let all take turns for about `seconds`, more where few invokes take longer."""
    slice_ = seconds / _ROUNDS / (len(parts) + _WHOLE)
    for _ in range(_ROUNDS):
        whole.turn(slice_ * _WHOLE, sign)
        for part in parts:
            part.turn(slice_, sign)
