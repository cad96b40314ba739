"""Some operators of a `.tflite` file as a file of their own."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.tflite.flatbuffer import pack


@dataclass(frozen=True)
class CutFile:
    """A part of a file."""

    content: bytes = field(repr=False)
    inputs: tuple[int, ...]
    """Which tensors of the whole file's main subgraph it takes, in order."""
    outputs: tuple[int, ...]
    """Which it gives."""


def cut(content: schema.ModelT, operators: Sequence[int], shapes: Mapping[int, Sequence[int]]) -> CutFile:
    """A file of some operators of the main subgraph: the same tensors, types, quantization, options and constants.

    It takes what its operators read and none of them makes, and gives what they make and none of them reads.

    Args:
        content: of the whole file; it stays as it is.
        operators: their numbers, in the order of the whole file.
        shapes: of the tensors, as they are when the whole file runs; those it does not name are as the file says.
    """
    main = content.subgraphs[0]
    chosen = [main.operators[number] for number in operators]
    read = list(dict.fromkeys(int(index) for each in chosen for index in each.inputs if index >= 0))
    made = list(dict.fromkeys(int(index) for each in chosen for index in each.outputs))
    inputs = [index for index in read if index not in made and not _is_its_own(content, main.tensors[index])]
    outputs = [index for index in made if index not in read]
    places = {index: place for place, index in enumerate(dict.fromkeys([*inputs, *read, *made]))}

    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors = [_shaped(main.tensors[index], shapes.get(index)) for index in places]
    graph.inputs, graph.outputs = _at(places, inputs), _at(places, outputs)
    graph.operators = []
    for each in chosen:
        operator = copy(each)
        operator.inputs, operator.outputs = _at(places, each.inputs), _at(places, each.outputs)
        graph.operators.append(operator)

    model = schema.ModelT()
    model.version, model.description, model.operatorCodes = content.version, content.description, content.operatorCodes
    # The bodies of loops and branches stay, since operators know them by number.
    model.subgraphs = [graph, *content.subgraphs[1:]]
    used = {tensor.buffer for each in model.subgraphs for tensor in each.tensors}
    empty = schema.BufferT()
    model.buffers = [buffer if number in used else empty for number, buffer in enumerate(content.buffers)]
    return CutFile(pack(model), tuple(inputs), tuple(outputs))


def _is_its_own(content: schema.ModelT, tensor: schema.TensorT) -> bool:
    """Whether a tensor's values come with the file, or stay in it from one run to the next."""
    data = content.buffers[tensor.buffer].data
    return bool(tensor.isVariable) or (data is not None and len(data) > 0)


def _shaped(tensor: schema.TensorT, shape: Sequence[int] | None) -> schema.TensorT:
    if shape is None:
        return tensor
    found = copy(tensor)
    found.shape, found.shapeSignature = np.asarray(shape, np.int32), None
    return found


def _at(places: Mapping[int, int], indices: Iterable[int]) -> np.ndarray:
    """-1 stands for an input that is left out."""
    return np.array([places.get(int(index), -1) for index in indices], np.int32)
