"""Reads a `.tflite` flatbuffer into objects and writes it back."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.errors import ModelError

IDENTIFIER = b"TFL3"
DATA_ALIGNMENT = 16
"""Bytes; what the schema demands of a tensor's data (`force_align: 16`)."""


def unpack(model: bytes) -> schema.ModelT:
    """The file's content; arrays are views into `model`.

    Tensors that the file keeps behind the flatbuffer (what litert-quantizer does from 256 KiB on, and what files of
    2 GB and more must do) are taken in, so `pack` writes them inside.

    Raises ModelError for anything that LiteRT does not load.
    """
    verify(model)
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    for buffer in content.buffers:
        # 1 stands for a buffer that is yet to be placed.
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(model):
                raise ModelError(f"the .tflite file ({len(model)} bytes) is truncated: a tensor lies behind its end")
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return content


def verify(model: bytes) -> None:
    """Raises ModelError unless `model` is a whole, well-formed `.tflite` file whose operators LiteRT knows."""
    if model[4:8] != IDENTIFIER:
        raise ModelError(f"not a .tflite file: its bytes 4 to 8 are {model[4:8]!r} instead of {IDENTIFIER!r}")
    # LiteRT runs the flatbuffer verifier first (0.1 ms); the Python reader would follow any offset it finds.
    try:
        Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"the .tflite file ({len(model)} bytes) is damaged or unknown to LiteRT: {reason(error)}"
        ) from error


def pack(content: schema.ModelT) -> bytes:
    """The file; the same content gives the same bytes."""
    builder = _AlignedBuilder(1024)
    builder.Finish(content.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def reason(error: Exception) -> str:
    """An error of LiteRT in one line."""
    return " ".join(str(error).split()) or "it gives no reason; it may be out of memory"


class _AlignedBuilder(flatbuffers.Builder):
    """Aligns tensor data, which the generated Python code (and so TFLiteConverter and litert-quantizer) forgets.

    LiteRT on a host does not mind; tflite-micro reads int32 biases in place, where an odd address is a fault.
    """

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        return super().StartVector(elemSize, numElems, DATA_ALIGNMENT if elemSize == 1 else alignment)
