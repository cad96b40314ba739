"""What operators are called in a table: short, and the name of the layer where it has one."""

from collections.abc import Sequence

from segsweep.devices.graph import Graph, Operator
from segsweep.tflite.census import WEIGHTED_OPS


def operator_labels(graph: Graph, numbers: Sequence[int]) -> tuple[str, ...]:
    """Labels of some operators: the name of the stored weights, else of what it makes; no two are the same."""
    parts = [_name(graph, graph.operators[each]).split(";")[0].split("/") for each in numbers]
    scopes = {each[0] for each in parts if len(each) > 1}
    if len(scopes) == 1:  # the model's name
        parts = [each[1:] if len(each) > 1 else each for each in parts]
    # The last part is what TensorFlow calls the operator.
    return _distinct(["/".join(each[:-1] or each) for each in parts])


def stored_weights(graph: Graph, operator: Operator) -> int | None:
    """Number of the tensor with an operator's weights as they are stored, a DEQUANTIZE between or not; else None."""
    if operator.name not in WEIGHTED_OPS:
        return None
    index = operator.inputs[WEIGHTED_OPS[operator.name][1]]
    unpacked = {each.outputs[0]: each.inputs[0] for each in graph.operators if each.name == "DEQUANTIZE"}
    index = unpacked.get(index, index)
    return index if graph.tensors[index].is_stored else None


def _name(graph: Graph, operator: Operator) -> str:
    weights = stored_weights(graph, operator)
    index = operator.outputs[0] if weights is None and operator.outputs else weights
    return (graph.tensors[index].name if index is not None else "") or operator.name


def _distinct(labels: Sequence[str]) -> tuple[str, ...]:
    """The later ones of several that are the same get a number."""
    seen: dict[str, int] = {}
    found = []
    for each in labels:
        seen[each] = seen.get(each, 0) + 1
        found.append(each if seen[each] == 1 else f"{each} ({seen[each]})")
    return tuple(found)
