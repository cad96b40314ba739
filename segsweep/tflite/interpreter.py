"""Runs `.tflite` files for segmentation or classification: images in, logits or class ids out."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.errors import ModelError
from segsweep.tflite.flatbuffer import reason, verify
from segsweep.tflite.requantization import XNNPACK_LIMIT, largest_requantization_scale

INTEGER_TYPES = (np.int8, np.uint8, np.int16)
"""Data types of inputs and outputs that are quantized; float32 is the other that is understood."""


class TFLiteModel:
    """A file that takes an image (1, H, W, C) and gives logits (1, H, W, K), as an interpreter with state.

    A classifier gives logits (1, 1, 1, K) or (1, K), one class for the whole image; what is written here of H and W of
    logits and class ids then holds of 1 and 1.

    Not for several threads at once: give each thread its own.

    Raises ModelError when `model` (the file's bytes or its path) cannot be read, is damaged, or is of other shapes.
    """

    def __init__(self, model: bytes | Path, threads: int = 1, delegates: bool = True) -> None:
        """`delegates=False` leaves out XNNPACK, whose integer kernels differ by some steps of the last bit.

        It is left out as well where it could not run the file.
        """
        content = _read(model) if isinstance(model, Path) else model
        verify(content)
        # LiteRT 2.3 frees a table twice when XNNPACK gives up on a graph, which ends the process.
        delegates = delegates and largest_requantization_scale(content) < XNNPACK_LIMIT
        resolver = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = Interpreter(
                model_content=content, num_threads=threads, experimental_op_resolver_type=resolver
            )
            self._interpreter.allocate_tensors()
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"LiteRT cannot run the .tflite file: {reason(error)}") from error
        self._input = _port(inputs, "input")
        self._output = _port(outputs, "output")
        if self._output.shape[:2] not in (self._input.shape[:2], (1, 1)):
            raise ModelError(
                f"the .tflite file's output {self._output.shape} is not of its input's size {self._input.shape}"
            )
        if self.classes < 2:
            raise ModelError("the .tflite file's output has 1 channel; it needs one for each class, 2 at least")
        # Views must not outlive an invoke, so what is kept are the functions that make them.
        self._input_view = self._interpreter.tensor(self._input.index)
        self._output_view = self._interpreter.tensor(self._output.index)
        self._scaled = np.empty(self._input.shape, np.float32)
        self._invoke_seconds = 0.0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self._input.shape

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the class ids: those of an image, or (1, 1) where the whole image has one."""
        return self._output.shape[:2]

    @property
    def classes(self) -> int:
        """Channels of the output."""
        return self._output.shape[2]

    @property
    def kernels(self) -> str:
        """What computes: `xnnpack`, where that delegate took over at least a part, or LiteRT's `builtin` kernels."""
        operators = {operator["op_name"] for operator in self._interpreter._get_ops_details()}
        return "xnnpack" if "DELEGATE" in operators else "builtin"

    @property
    def invoke_seconds(self) -> float:
        """Wall seconds spent in the interpreter's `invoke` so far."""
        return self._invoke_seconds

    @property
    def input_port(self) -> "Port":
        """How the file takes images."""
        return self._input

    @property
    def output_port(self) -> "Port":
        """How the file gives logits."""
        return self._output

    def run_raw(self, image: np.ndarray) -> np.ndarray:
        """The output (H, W, K) as the file gives it, of an image (H, W, C) as it takes it: a view, to be dropped before
        the next run."""
        self._input_view()[0] = image
        self._invoke()
        return self._output_view().reshape(self._output.shape)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, H, W, K) float32 of normalized images (N, H, W, C) float32; integer outputs are dequantized."""
        self._check(images)
        logits = np.empty((len(images), *self._output.shape), np.float32)
        for image, result in zip(images, logits, strict=True):
            self._run(image)
            result[...] = self._output_view().reshape(result.shape)
        if self._output.quantized:
            logits -= np.float32(self._output.zero_point)
            logits *= np.float32(self._output.scale)
        return logits

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class ids (N, H, W) uint8 of normalized images (N, H, W, C) float32; of equal logits the first class wins.

        Integer outputs are compared as they are: they have one scale, which is positive, for all classes.
        """
        self._check(images)
        ids = np.empty((len(images), *self._output.shape[:2]), np.uint8)
        for image, result in zip(images, ids, strict=True):
            self._run(image)
            output = self._output_view().reshape(self._output.shape)
            if self.classes == 2:  # 10 times faster than argmax
                np.greater(output[..., 1], output[..., 0], out=result.view(bool))
            else:
                result[...] = output.argmax(axis=-1)
            del output
        return ids

    def _run(self, image: np.ndarray) -> None:
        if self._input.quantized:
            self._quantize(image)
        else:
            self._input_view()[0] = image
        self._invoke()

    def _invoke(self) -> None:
        start = perf_counter()
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"LiteRT cannot run the .tflite file: {reason(error)}") from error
        self._invoke_seconds += perf_counter() - start

    def _quantize(self, image: np.ndarray) -> None:
        """`round(x / scale) + zero point`, halves to even (TFLite: away from 0), cut to the data type's range."""
        scaled = self._scaled
        np.divide(image, np.float32(self._input.scale), out=scaled)
        np.rint(scaled, out=scaled)
        scaled += np.float32(self._input.zero_point)
        np.clip(scaled, self._input.lowest, self._input.highest, out=scaled)
        np.copyto(self._input_view()[0], scaled, casting="unsafe")

    def _check(self, images: np.ndarray) -> None:
        if images.shape[1:] != self.input_shape:
            raise ModelError(
                f"the model takes images of height, width and channels {self.input_shape}, given are {images.shape[1:]}"
            )


@dataclass(frozen=True)
class Port:
    """The model's input or output."""

    index: int
    shape: tuple[int, int, int]
    quantized: bool
    scale: float
    zero_point: int
    lowest: int
    highest: int
    dtype: str


def _port(details: list[dict[str, Any]], role: str) -> Port:
    if len(details) != 1:
        raise ModelError(f"the .tflite file has {len(details)} {role}s; segmentation has 1")
    (detail,) = details
    shape, signature = tuple(map(int, detail["shape"])), tuple(map(int, detail["shape_signature"]))
    if role == "output" and len(shape) == 2:
        shape, signature = (shape[0], 1, 1, shape[1]), (signature[0], 1, 1, signature[1])
    if len(shape) != 4 or shape[0] != 1 or min(signature[1:], default=0) < 1:
        raise ModelError(f"the .tflite file's {role} has shape {signature}; needed is (1, height, width, channels)")
    index, size = int(detail["index"]), (shape[1], shape[2], shape[3])
    if detail["dtype"] == np.float32:
        return Port(index, size, quantized=False, scale=1.0, zero_point=0, lowest=0, highest=0, dtype="float32")
    if detail["dtype"] not in INTEGER_TYPES:
        known = ", ".join(np.dtype(kind).name for kind in (np.float32, *INTEGER_TYPES))
        raise ModelError(f"the .tflite file's {role} is {np.dtype(detail['dtype']).name}; known are {known}")
    scale, zero_point = detail["quantization"]
    if not scale > 0:
        raise ModelError(f"the .tflite file's {role} is {np.dtype(detail['dtype']).name} without a scale")
    limits = np.iinfo(detail["dtype"])
    return Port(index, size, True, float(scale), int(zero_point), int(limits.min), int(limits.max), limits.dtype.name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
