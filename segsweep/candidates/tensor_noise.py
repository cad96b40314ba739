"""Signal to noise, tensor by tensor: how far the numbers inside a quantized file are from those of the float file."""

from collections.abc import Collection, Mapping

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def signal_to_noise(
    float_model: bytes, quantized: bytes, images: np.ndarray, tensors: Collection[str]
) -> Mapping[str, float]:
    """Decibels, by tensor: ten times the logarithm of the energy of the float numbers over that of the difference.

    Infinite where nothing differs; a tensor that one of the files does not have, or that is all 0, is left out.

    Args:
        float_model: a float file.
        quantized: a file made of it.
        images: (N, H, W, C) float32, normalized and padded.
        tensors: names in the float file.
    """
    exact, rounded = _Inside(float_model), _Inside(quantized)
    wanted = [name for name in tensors if name in exact.indices and name in rounded.indices]
    signal, noise = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0.0)
    for image in images:
        exact.run(image)
        rounded.run(image)
        for name in wanted:
            true = exact.values(name)
            signal[name] += float(np.sum(true**2))
            noise[name] += float(np.sum((rounded.values(name) - true) ** 2))
    return {
        name: 10 * float(np.log10(signal[name] / noise[name])) if noise[name] else float("inf")
        for name in wanted
        if signal[name]
    }


class _Inside:
    """An interpreter that keeps all its tensors; the reference kernels, since a delegate keeps none."""

    def __init__(self, model: bytes) -> None:
        self._interpreter = Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_tensor_details()
        self.indices = {each["name"]: each["index"] for each in details}
        self._scales = {each["name"]: each["quantization"] for each in details}
        (self._input,) = self._interpreter.get_input_details()

    def run(self, image: np.ndarray) -> None:
        """Run it on one image (H, W, C) float32."""
        scale, zero_point = self._input["quantization"]
        if scale:
            limits = np.iinfo(self._input["dtype"])
            image = np.clip(np.rint(image / np.float32(scale)) + zero_point, limits.min, limits.max)
        self._interpreter.set_tensor(self._input["index"], image[np.newaxis].astype(self._input["dtype"]))
        self._interpreter.invoke()

    def values(self, name: str) -> np.ndarray:
        """A tensor as float64, dequantized."""
        values = self._interpreter.get_tensor(self.indices[name]).astype(np.float64)
        scale, zero_point = self._scales[name]
        return (values - zero_point) * scale if scale else values
