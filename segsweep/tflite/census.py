"""What a `.tflite` file consists of: operators, and the data types they compute with.

Read from the flatbuffer and not from an interpreter, where XNNPACK hides what it took over behind DELEGATE operators.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from segsweep.errors import ModelError
from segsweep.tflite.flatbuffer import reason, unpack

WEIGHTED_OPS: Mapping[str, tuple[int, int]] = {
    "CONV_2D": (0, 1),
    "DEPTHWISE_CONV_2D": (0, 1),
    "TRANSPOSE_CONV": (2, 1),
    "FULLY_CONNECTED": (0, 1),
    "BATCH_MATMUL": (0, 1),
    "CONV_3D": (0, 1),
    "CONV_3D_TRANSPOSE": (2, 1),
}
"""Operators that multiply activations with weights, and which of their inputs is which: (activations, weights)."""


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OP_NAMES = _names(schema.BuiltinOperator)
_TYPE_NAMES = {value: name.lower() for value, name in _names(schema.TensorType).items()}


@dataclass(frozen=True)
class ComputeOp:
    """An operator that multiplies activations with stored weights."""

    name: str
    """Builtin name, one of `WEIGHTED_OPS`."""
    activations: str
    """Data type of the activations, as `float32`."""
    weights: str
    """Data type of the weights as they are stored."""
    dequantized: bool
    """Whether a DEQUANTIZE stands between the stored weights and the operator."""
    weight_count: int
    """Number of weights."""
    output: str
    """Name of the tensor it makes."""


@dataclass(frozen=True)
class Census:
    """The operators and tensors of a file, over all its subgraphs; tensors that no operator touches do not count."""

    ops: Mapping[str, int]
    """How many operators, by builtin name."""
    activations: Mapping[str, int]
    """How many tensors are computed (inputs included), by data type."""
    constants: Mapping[str, int]
    """Bytes of stored tensors, by data type; a buffer that tensors share counts once."""
    compute: tuple[ComputeOp, ...]
    """The operators with weights, in order."""
    inputs: tuple[str, ...]
    """Data types of the model's inputs."""
    outputs: tuple[str, ...]
    """Data types of the model's outputs."""

    @property
    def quantize_ops(self) -> int:
        """How many QUANTIZE there are: float to integer, or a change of scale between integers."""
        return self.ops.get("QUANTIZE", 0)

    @property
    def dequantize_ops(self) -> int:
        """How many DEQUANTIZE there are: weights or activations to float."""
        return self.ops.get("DEQUANTIZE", 0)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; compute operators are counted as `CONV_2D float32 x int8`."""
        compute = Counter(
            f"{op.name} {op.activations} x {op.weights}{' dequantized' if op.dequantized else ''}"
            for op in self.compute
        )
        return {
            "ops": dict(self.ops),
            "activations": dict(self.activations),
            "constant_bytes": dict(self.constants),
            "compute": dict(sorted(compute.items())),
            "quantize_ops": self.quantize_ops,
            "dequantize_ops": self.dequantize_ops,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
        }


def census(model: bytes) -> Census:
    """Takes the census of a `.tflite` file. Raises ModelError for anything else."""
    content = unpack(model)
    try:
        return _count(content)
    except (LookupError, ValueError) as error:  # well-formed, but an index points nowhere
        raise ModelError(f"the .tflite file ({len(model)} bytes) is damaged: {reason(error)}") from error


def _count(content: schema.ModelT) -> Census:
    ops: Counter[str] = Counter()
    activations: Counter[str] = Counter()
    constants: Counter[str] = Counter()
    compute: list[ComputeOp] = []
    buffers_seen: set[int] = set()
    for subgraph in content.subgraphs:
        ops.update(_op_name(content, op) for op in subgraph.operators)
        compute.extend(_compute_ops(content, subgraph))
        for index in sorted(_used_tensors(subgraph)):
            tensor = subgraph.tensors[index]
            size = _stored_bytes(content, tensor)
            if size == 0:
                activations[_type_name(tensor)] += 1
            elif tensor.buffer not in buffers_seen:
                buffers_seen.add(tensor.buffer)
                constants[_type_name(tensor)] += size
    main = content.subgraphs[0]
    return Census(
        ops=dict(sorted(ops.items())),
        activations=dict(sorted(activations.items())),
        constants=dict(sorted(constants.items())),
        compute=tuple(compute),
        inputs=tuple(_type_name(main.tensors[index]) for index in main.inputs),
        outputs=tuple(_type_name(main.tensors[index]) for index in main.outputs),
    )


def stored_weights(content: schema.ModelT) -> Iterator[tuple[str, schema.TensorT, str]]:
    """Name, stored weights and name of the output of each operator in `WEIGHTED_OPS`, in order, over all subgraphs."""
    for subgraph in content.subgraphs:
        for op, stored, _ in _weighted(content, subgraph):
            yield _op_name(content, op), stored, _output_name(subgraph, op)


def _compute_ops(content: schema.ModelT, subgraph: schema.SubGraphT) -> Iterator[ComputeOp]:
    for op, stored, dequantized in _weighted(content, subgraph):
        name = _op_name(content, op)
        yield ComputeOp(
            name=name,
            activations=_type_name(subgraph.tensors[int(op.inputs[WEIGHTED_OPS[name][0]])]),
            weights=_type_name(stored),
            dequantized=dequantized,
            weight_count=int(stored.shape.prod()),
            output=_output_name(subgraph, op),
        )


def _weighted(
    content: schema.ModelT, subgraph: schema.SubGraphT
) -> Iterator[tuple[schema.OperatorT, schema.TensorT, bool]]:
    """The operators with stored weights, these as they are stored, and whether a DEQUANTIZE stands between."""
    dequantized = {
        int(op.outputs[0]): int(op.inputs[0]) for op in subgraph.operators if _op_name(content, op) == "DEQUANTIZE"
    }
    for op in subgraph.operators:
        name = _op_name(content, op)
        if name not in WEIGHTED_OPS:
            continue
        weights = int(op.inputs[WEIGHTED_OPS[name][1]])
        stored = subgraph.tensors[dequantized.get(weights, weights)]
        if _stored_bytes(content, stored) > 0:  # otherwise it is a product of two activations
            yield op, stored, weights in dequantized


def _output_name(subgraph: schema.SubGraphT, op: schema.OperatorT) -> str:
    return subgraph.tensors[op.outputs[0]].name.decode(errors="replace")


def _op_name(content: schema.ModelT, op: schema.OperatorT) -> str:
    code = content.operatorCodes[op.opcodeIndex]
    # Files older than schema 3a know only the 8-bit field.
    return _OP_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _used_tensors(subgraph: schema.SubGraphT) -> set[int]:
    used = {*subgraph.inputs, *subgraph.outputs}
    for op in subgraph.operators:
        used.update(op.inputs, op.outputs)
    return {int(index) for index in used if index >= 0}  # -1: an optional input left out


def _stored_bytes(content: schema.ModelT, tensor: schema.TensorT) -> int:
    data = content.buffers[tensor.buffer].data
    return 0 if data is None else len(data)


def _type_name(tensor: schema.TensorT) -> str:
    return _TYPE_NAMES[tensor.type]
