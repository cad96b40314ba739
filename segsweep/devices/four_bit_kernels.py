"""What runtimes make of 4-bit weights, by the sources of LiteRT and of TensorFlow Lite Micro, both of August 2026."""

import json
from collections.abc import Iterable

from segsweep.devices.graph import Graph, Operator
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord

UNPACKED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
"""Operators whose reference kernels take 4-bit weights with activations of 8 bits; each run unpacks them to a byte each
(in conv.cc, depthwise_conv.cc and fully_connected.cc of both)."""

KERNELS = (
    "LiteRT's built-in CPU kernels and TensorFlow Lite Micro compute with 4-bit weights; they unpack those of a layer "
    "while it runs, Micro into its arena. XNNPACK takes them in dense layers alone, so convolutions take longer on a "
    "CPU than in int8. Neither the NNAPI and Core ML delegates nor the Ethos-U kernels know them"
)
"""A remark for people."""


def unpacked_bytes(graph: Graph, operator: Operator) -> int:
    """What the 4-bit weights of an operator take while it runs: a byte each."""
    if operator.name not in UNPACKED:
        return 0
    weights = graph.tensors[operator.inputs[1]]
    return weights.elements if weights.dtype == "int4" else 0


def has_four_bits(run: RunRecord) -> bool:
    """Whether operators of a variant's file compute with 4-bit weights, as its census says."""
    try:
        computed = json.loads(run.tags.get(names.CENSUS, "{}")).get("compute", {})
    except (ValueError, AttributeError):
        return False
    return any(" x int4" in words for words in computed)


def kernel_remarks(runs: Iterable[RunRecord]) -> list[str]:
    """What should be known of files of 4-bit weights before one is shipped; nothing where there are none."""
    return [f"{KERNELS}."] if any(has_four_bits(run) for run in runs) else []
