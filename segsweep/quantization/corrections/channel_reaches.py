"""How far the activations of each channel reach over some images."""

from collections.abc import Mapping

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.quantization.corrections.float_graph import FloatGraph


def channel_reaches(float_model: bytes, images: np.ndarray, percentile: float = 100.0) -> Mapping[str, np.ndarray]:
    """(C,) float64 by the name of what a layer with weights makes: the mean over images of the largest absolute value.

    Args:
        float_model: the file.
        images: (N, H, W, C) float32, normalized.
        percentile: of an image's absolute values, in place of the largest.
    """
    graph = FloatGraph(float_model)
    interpreter = Interpreter(
        model_content=float_model,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    port = interpreter.get_input_details()[0]["index"]
    sums = {each.name: np.zeros(len(graph.bias(each))) for each in graph.weighted}
    for image in images:
        interpreter.set_tensor(port, np.ascontiguousarray(image[np.newaxis], np.float32))
        interpreter.invoke()
        for each in graph.weighted:
            values = np.abs(interpreter.get_tensor(each.output)).reshape(-1, len(sums[each.name]))
            sums[each.name] += values.max(axis=0) if percentile == 100 else np.percentile(values, percentile, axis=0)
    return {name: total / len(images) for name, total in sums.items()}
