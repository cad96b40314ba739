"""Where a file's time goes: each operator measured alone, against the file as a whole."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from segsweep.devices.graph import Graph, Operator, read_graph
from segsweep.devices.multiplications import multiplications_of
from segsweep.errors import ModelError
from segsweep.evaluation.latency import cpu_name
from segsweep.profiling.float_islands import FloatIsland, float_islands
from segsweep.profiling.operator_files import constant_operators, operator_files, whole_run
from segsweep.profiling.operator_labels import operator_labels, stored_weights
from segsweep.profiling.timing import Timed, measure
from segsweep.tflite.census import WEIGHTED_OPS
from segsweep.tflite.flatbuffer import unpack
from segsweep.tflite.requantization import XNNPACK_LIMIT, largest_requantization_scale


@dataclass(frozen=True)
class OperatorTime:
    """An operator and what it takes."""

    number: int
    """Its place in the file, from 0; those that depend on constants alone are left out."""
    name: str
    """Builtin name, as `CONV_2D`."""
    label: str
    """The layer, or what it makes."""
    types: str
    """Activations x weights as they are stored (`int8 x int8`), or what it takes and makes (`float32 to int8`)."""
    macs: int
    """Multiply-accumulates with weights."""
    kernels: str
    """`xnnpack` or LiteRT's `builtin`; empty where it could not be run alone."""
    ms: float | None
    """Median time of an invoke of the operator alone; None where it could not be run alone."""

    @property
    def ns_per_mac(self) -> float | None:
        """Nanoseconds for each multiply-accumulate; None where there are none."""
        return None if self.ms is None or not self.macs else self.ms * 1e6 / self.macs


@dataclass(frozen=True)
class Profile:
    """Of one file on this host, for one image of noise."""

    operators: tuple[OperatorTime, ...]
    whole_ms: float
    """Median time of an invoke of the whole file, of the processor where there is one thread."""
    wall_ms: float
    """The same by the clock on the wall."""
    kernels: str
    """What computes the whole file: `xnnpack` at least a part, or LiteRT's `builtin` kernels."""
    threads: int
    cpu: str
    islands: tuple[FloatIsland, ...] = field(default=())

    @property
    def sum_ms(self) -> float:
        """What the operators take, each alone."""
        return sum(each.ms or 0.0 for each in self.operators)

    def share(self, *numbers: int) -> float:
        """Of the sum, what some operators take, by their numbers."""
        return self.ms_of(*numbers) / self.sum_ms if self.sum_ms else 0.0

    def ms_of(self, *numbers: int) -> float:
        """What some operators take, by their numbers."""
        return sum(each.ms or 0.0 for each in self.operators if each.number in numbers)

    def by_name(self) -> Mapping[str, tuple[int, ...]]:
        """Numbers of the operators of each builtin name and type, those first that take most."""
        found: dict[str, list[int]] = {}
        for each in self.operators:
            found.setdefault(f"{each.name} {each.types}", []).append(each.number)
        order = sorted(found, key=lambda name: -self.ms_of(*found[name]))
        return {name: tuple(found[name]) for name in order}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Profile":
        """What `as_dict` gave, read from JSON."""
        operators = tuple(OperatorTime(**each) for each in values["operators"])
        islands = tuple(
            FloatIsland(**{**each, **{name: tuple(each[name]) for name in ("operators", "conversions")}})
            for each in values["islands"]
        )
        return cls(**{**values, "operators": operators, "islands": islands})


def profile(model: bytes, *, threads: int, seconds: float, sign: Callable[[], None] = lambda: None) -> Profile:
    """Measure a `.tflite` file and its operators with the kernels that score it.

    Args:
        model: the file.
        threads: of the interpreter.
        seconds: how long to measure, about.
        sign: called after each invoke.

    Raises:
        ModelError: it is no such file, or LiteRT cannot run it.
    """
    graph, content = read_graph(model), unpack(model)
    delegates = largest_requantization_scale(model) < XNNPACK_LIMIT
    run = whole_run(model, delegates=delegates)
    sign()
    whole = Timed(model, run.inputs, threads, delegates)
    alone: dict[int, Timed | None] = {}
    for file in operator_files(content, graph, run):
        try:
            alone[file.number] = Timed(file.content, file.inputs, threads, delegates) if file.content else None
        except ModelError:
            alone[file.number] = None
        sign()
    del run
    measure(whole, [each for each in alone.values() if each is not None], seconds, sign)
    labels = dict(zip(alone, operator_labels(graph, list(alone)), strict=True))
    operators = tuple(
        OperatorTime(
            number=number,
            name=graph.operators[number].name,
            label=labels[number],
            types=_types(graph, graph.operators[number]),
            macs=multiplications_of(graph, graph.operators[number]),
            kernels=timed.kernels if timed is not None else "",
            ms=timed.ms if timed is not None else None,
        )
        for number, timed in alone.items()
    )
    islands = float_islands(graph, constant_operators(graph))
    return Profile(operators, whole.ms, whole.wall_ms, whole.kernels, threads, cpu_name(), islands)


def _types(graph: Graph, operator: Operator) -> str:
    weights = stored_weights(graph, operator)
    if weights is not None:
        activations = operator.inputs[WEIGHTED_OPS[operator.name][0]]
        return f"{graph.tensors[activations].dtype} x {graph.tensors[weights].dtype}"
    computed = [graph.tensors[index] for index in operator.inputs if index >= 0 and not graph.tensors[index].is_stored]
    taken = computed[0].dtype if computed else "constant"
    made = graph.tensors[operator.outputs[0]].dtype if operator.outputs else taken
    return taken if taken == made else f"{taken} to {made}"
