"""How well the times of operators, each measured alone, say where a file's time goes.

`python benchmarks/operator_latency.py FILE.tflite...` prints for each file

- what its operators, each as a file of its own, add up to, against the whole file (`segsweep profile`);
- the other way, for comparison: the file up to its first operator, its first two, ..., and the differences;
- how far two rounds of either differ for an operator, and how often a difference comes out negative;
- by kind of operator, what LiteRT's own profiler says (`--profiler`). It has no Python interface: this calls the C
  functions of the library that ai-edge-litert 2.3 carries, whose names and options change from version to version.
"""

import argparse
import ctypes
import re
from collections import Counter
from pathlib import Path

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from segsweep.devices.graph import read_graph
from segsweep.profiling.operator_files import constant_operators, whole_run
from segsweep.profiling.profile import Profile, profile
from segsweep.profiling.timing import Timed, measure
from segsweep.tflite.cutting import cut
from segsweep.tflite.flatbuffer import unpack

_SECONDS = 3.0
_RUNS = 300
_NOISE = 5.0
"""Microseconds; shorter operators are left out where two rounds are compared."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--profiler", action="store_true", help="also ask LiteRT's own profiler")
    options = parser.parse_args()
    print(
        "| file | operators | whole, ms | alone, sum / whole | alone: two rounds differ by | prefixes: by | negative |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    by_kind = {}
    for path in options.files:
        model = path.read_bytes()
        first, second = (profile(model, threads=1, seconds=_SECONDS) for _ in range(2))
        alone = [np.array([each.ms or 0.0 for each in found.operators]) * 1e3 for found in (first, second)]
        prefixes = [prefix_times(model) * 1e3 for _ in range(2)]
        negative = np.mean([(each < 0).mean() for each in prefixes])
        print(
            f"| {path.stem} | {len(first.operators)} | {first.whole_ms:.3f} | {first.sum_ms / first.whole_ms:.2f}, "
            f"{second.sum_ms / second.whole_ms:.2f} | {differing(*alone):.0%} | {differing(*prefixes):.0%} "
            f"| {negative:.0%} |"
        )
        if options.profiler:
            by_kind[path.stem] = (kinds(first), litert_profile(path))
    for name, (ours, theirs) in by_kind.items():
        print(f"\n{name}\n  alone:    {said(ours)}\n  profiler: {said(theirs)}")


def prefix_times(model: bytes) -> np.ndarray:
    """Milliseconds of each operator, as the difference of two files that end with it and before it."""
    graph, content, run = read_graph(model), unpack(model), whole_run(model, delegates=True)
    constant = constant_operators(graph)
    numbers = [number for number in range(len(graph.operators)) if number not in constant]
    prefixes = []
    for number in numbers:
        part = cut(content, range(number + 1), {})
        prefixes.append(Timed(part.content, [run.value(index) for index in part.inputs], 1, True))
    measure(prefixes[-1], prefixes, _SECONDS, lambda: None)
    return np.diff([0.0, *(each.ms for each in prefixes)])


def differing(one: np.ndarray, other: np.ndarray) -> float:
    """The median relative difference of operators that take some time."""
    mean = (one + other) / 2
    return float(np.median((np.abs(one - other) / mean)[mean > _NOISE]))


def kinds(found: Profile) -> Counter[str]:
    """Shares by builtin name."""
    shares: Counter[str] = Counter()
    for each in found.operators:
        shares[each.name] += found.share(each.number)
    return shares


def said(shares: Counter[str]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.most_common())


class _Layout(ctypes.Structure):
    _fields_ = [
        ("rank", ctypes.c_uint, 7), ("has_strides", ctypes.c_bool, 1),
        ("sizes", ctypes.c_int32 * 8), ("strides", ctypes.c_uint32 * 8),
    ]  # fmt: skip


class _TensorType(ctypes.Structure):
    _fields_ = [("element", ctypes.c_int), ("layout", _Layout)]


_ELEMENTS = {"float32": 1, "uint8": 3, "int16": 7, "int8": 9}


def litert_profile(path: Path) -> Counter[str]:
    """Shares by kernel, as LiteRT's profiler names it."""
    library = ctypes.CDLL(str(Path(ai_edge_litert.__file__).parent / "libLiteRt.so"))
    kept: list[object] = []

    def call(name: str, *arguments: object) -> None:
        status = getattr(library, name)(*arguments)
        assert status == 0, f"{name}: status {status}"

    def made(name: str, *arguments: object) -> ctypes.c_void_p:
        found = ctypes.c_void_p()
        call(name, *arguments, ctypes.byref(found))
        return found

    def buffer(detail: dict) -> ctypes.c_void_p:
        kind, size = np.dtype(detail["dtype"]), int(np.prod(detail["shape"]))
        memory = np.zeros(size * kind.itemsize + 64, np.uint8)
        start = -memory.ctypes.data % 64
        shape = _TensorType(_ELEMENTS[kind.name])
        shape.layout.rank = len(detail["shape"])
        shape.layout.sizes[: len(detail["shape"])] = [int(each) for each in detail["shape"]]
        kept.extend([memory, shape])
        place = ctypes.c_void_p(memory.ctypes.data + start)
        return made(
            "LiteRtCreateTensorBufferFromHostMemory", ctypes.byref(shape), place, ctypes.c_size_t(size * kind.itemsize),
            None,
        )  # fmt: skip

    environment = made("LiteRtCreateEnvironment", 0, None)
    model = made("LiteRtCreateModelFromFile", environment, str(path).encode())
    options = made("LiteRtCreateOptions")
    call("LiteRtSetOptionsHardwareAccelerators", options, 1)
    text = ctypes.create_string_buffer(b"enable_profiling = true\n")
    release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda place: None)
    kept.extend([text, release])
    wish = made("LiteRtCreateOpaqueOptions", b"runtime_options_string", ctypes.cast(text, ctypes.c_void_p), release)
    call("LiteRtAddOpaqueOptions", options, wish)
    compiled = made("LiteRtCreateCompiledModel", environment, model, options)
    profiler = made("LiteRtCompiledModelGetProfiler", compiled)
    plain = Interpreter(str(path))
    inputs = (ctypes.c_void_p * 1)(buffer(plain.get_input_details()[0]))
    outputs = (ctypes.c_void_p * 1)(buffer(plain.get_output_details()[0]))
    one = ctypes.c_size_t(1)

    def run(times: int) -> None:
        for _ in range(times):
            call("LiteRtRunCompiledModel", compiled, ctypes.c_size_t(0), one, inputs, one, outputs)

    run(_RUNS // 10)
    call("LiteRtStartProfiler", profiler)
    run(_RUNS)
    call("LiteRtStopProfiler", profiler)
    summary = ctypes.c_char_p()
    call("LiteRtGetProfileSummary", profiler, compiled, ctypes.byref(summary))
    by_type = (summary.value or b"").decode().partition("Summary by node type")[2]
    rows = re.findall(r"^ +(\S.*?)  +\d+ +[\d.]+ +([\d.]+)% +[\d.]+%", by_type, re.MULTILINE)
    return Counter({name.removeprefix("Delegate/"): float(share) / 100 for name, share in rows})


if __name__ == "__main__":
    main()
