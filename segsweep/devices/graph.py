"""The main subgraph of a `.tflite` file as plain values: what is computed in which order, and how large it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ai_edge_litert import schema_py_generated as schema

from segsweep.errors import ModelError
from segsweep.tflite.flatbuffer import reason, unpack


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATORS = _names(schema.BuiltinOperator)
_TYPES = {value: name.lower() for value, name in _names(schema.TensorType).items()}

BITS: Mapping[str, int] = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "int64": 64, "uint64": 64, "int32": 32, "uint32": 32,
    "int16": 16, "uint16": 16, "int8": 8, "uint8": 8, "int4": 4, "uint4": 4, "int2": 2, "bool": 8, "complex64": 64,
    "complex128": 128,
}  # fmt: skip
"""Of one element, by data type; several of fewer than 8 share a byte."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the subgraph."""

    shape: tuple[int, ...]
    """As the file states it; a dimension that it leaves open counts as 1."""
    dtype: str
    is_stored: bool
    """Whether its values are in the file."""
    is_variable: bool
    """Whether it keeps its values from one run to the next."""
    scales: int
    """How many scales it is quantized with: 0 for none, more than 1 for one a channel."""
    name: str = ""

    @property
    def elements(self) -> int:
        """How many values it has."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return -(-self.elements * BITS.get(self.dtype, 0) // 8)


@dataclass(frozen=True)
class Operator:
    """An operator of the subgraph."""

    name: str
    """Builtin name, as `CONV_2D`."""
    inputs: tuple[int, ...]
    """Indices of tensors; -1 stands for one that is left out."""
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """The main subgraph. What others compute, as the body of a WHILE, is not in it."""

    operators: tuple[Operator, ...]
    """In the order in which they are computed."""
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    has_data_behind: bool = False
    """Whether values lie behind the flatbuffer, as litert-quantizer writes files of 256 KiB and more."""


def read_graph(model: bytes) -> Graph:
    """The graph of a `.tflite` file. Raises ModelError for anything else."""
    content = unpack(model)
    try:
        main = content.subgraphs[0]
        return Graph(
            operators=tuple(
                Operator(_operator_name(content, each), _indices(each.inputs), _indices(each.outputs))
                for each in main.operators
            ),
            tensors=tuple(_tensor(content, each) for each in main.tensors),
            inputs=_indices(main.inputs),
            outputs=_indices(main.outputs),
            has_data_behind=_has_data_behind(model),
        )
    except (LookupError, ValueError, TypeError) as error:  # well-formed, but an index points nowhere
        raise ModelError(f"the .tflite file ({len(model)} bytes) is damaged: {reason(error)}") from error


def _has_data_behind(model: bytes) -> bool:
    packed = schema.Model.GetRootAs(model, 0)
    # 1 stands for a buffer that is yet to be placed.
    return any(packed.Buffers(index).Offset() > 1 for index in range(packed.BuffersLength()))


def _tensor(content: schema.ModelT, tensor: schema.TensorT) -> Tensor:
    data = content.buffers[tensor.buffer].data
    scale = tensor.quantization.scale if tensor.quantization is not None else None
    return Tensor(
        shape=tuple(max(1, int(size)) for size in tensor.shape) if tensor.shape is not None else (),
        dtype=_TYPES[tensor.type],
        is_stored=data is not None and len(data) > 0,
        is_variable=bool(tensor.isVariable),
        scales=len(scale) if scale is not None else 0,
        name=tensor.name.decode(errors="replace") if tensor.name is not None else "",
    )


def _operator_name(content: schema.ModelT, operator: schema.OperatorT) -> str:
    code = content.operatorCodes[operator.opcodeIndex]
    # Files older than schema 3a know only the 8-bit field.
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _indices(found: object) -> tuple[int, ...]:
    return tuple(int(each) for each in found) if found is not None else ()  # type: ignore[attr-defined]
