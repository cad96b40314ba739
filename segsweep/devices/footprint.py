"""What a file asks of a device."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from segsweep.devices.graph import read_graph
from segsweep.devices.micro import MicroRun, enough_bytes, run_micro
from segsweep.devices.micro_differences import unequal_operators
from segsweep.devices.micro_limits import micro_problems
from segsweep.devices.multiplications import multiplications
from segsweep.devices.working_memory import arena_bytes, lifetimes, peak_bytes
from segsweep.errors import ModelError
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store


@dataclass(frozen=True)
class Footprint:
    """Of one `.tflite` file and one image."""

    flash_bytes: int
    """The whole file, metadata included."""
    peak_bytes: int
    """The most that is alive at once; no arena is smaller."""
    arena_bytes: int
    """An arena planned greedily by size."""
    macs: int
    """Multiply-accumulates."""
    operators: tuple[str, ...]
    """Names, each once, in order of the alphabet."""
    problems: tuple[str, ...]
    """Why TensorFlow Lite Micro does not compute it as LiteRT does; see :func:`micro_problems`."""
    micro: MicroRun | None
    """How it fared there; None where nobody tried."""

    @property
    def memory_bytes(self) -> int:
        """The arena that Micro took; where it is not known, the planned one."""
        measured = self.micro.arena_bytes if self.micro is not None else None
        return self.arena_bytes if measured is None else measured

    @property
    def is_measured(self) -> bool:
        """Whether `memory_bytes` is what Micro took, its own structures included."""
        return self.micro is not None and self.micro.arena_bytes is not None

    def metrics(self) -> dict[str, float]:
        """For the run; the file's size is there already."""
        found: dict[str, float] = {
            names.PEAK_MEMORY: self.peak_bytes,
            names.ARENA_MEMORY: self.arena_bytes,
            names.MACS: self.macs,
        }
        if self.micro is not None and self.micro.arena_bytes is not None:
            found[names.MICRO_ARENA] = self.micro.arena_bytes
        if self.micro is not None and self.micro.equal is not None:
            found[names.MICRO_EQUAL] = self.micro.equal
        return found

    def tags(self) -> dict[str, str]:
        """For the run: all of it."""
        return {names.FOOTPRINT: json.dumps(asdict(self))}


def footprint(model: bytes, *, micro: bool = True) -> Footprint:
    """The footprint of a `.tflite` file; runs it with TensorFlow Lite Micro where that is installed and `micro`.

    Raises:
        ModelError: it is no such file.
    """
    graph = read_graph(model)
    alive = lifetimes(graph)
    arena, macs = arena_bytes(alive), multiplications(graph)
    problems = micro_problems(graph)
    ran = run_micro(model, arena, macs) if micro else None
    if ran is not None and ran.equal is not None and ran.equal < 1 and not problems:
        ran = replace(ran, unequal=unequal_operators(model, graph, enough_bytes(model, arena)))
    return Footprint(
        flash_bytes=len(model),
        peak_bytes=peak_bytes(alive),
        arena_bytes=arena,
        macs=macs,
        operators=tuple(sorted({operator.name for operator in graph.operators})),
        problems=problems,
        micro=ran,
    )


def footprint_of_run(store: Store, run: RunRecord) -> Footprint | None:
    """The footprint that a variant's run states, else that of its file, without Micro; None where neither is there."""
    found = stated_footprint(run)
    if found is not None or not run.is_finished:
        return found
    content = store.artifacts.read(run, names.MODEL_FILE)
    try:
        return footprint(content, micro=False) if content is not None else None
    except ModelError:
        return None


def stated_footprint(run: RunRecord) -> Footprint | None:
    """The footprint that a run states; None where it states none that can be read, as those of older versions."""
    try:
        values = json.loads(run.tags[names.FOOTPRINT])
        micro = values.pop("micro")
        lists: dict[str, Any] = {name: tuple(values.pop(name)) for name in ("operators", "problems")}
        if micro is not None:
            micro = MicroRun(**{**micro, "unequal": tuple(micro.get("unequal", ()))})
        return Footprint(**values, **lists, micro=micro)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
