"""Bias correction: what quantization moves the mean of each output channel by is taken from the bias.

Nagel et al. 2019, Data-Free Quantization, arXiv 1906.04721, section 4.2, and appendix D for the empirical form, which
takes the means from images. A convolution is linear, so the mean of what it gives is what it gives for the mean of its
inputs: one invoke for each layer and network, whatever its kernel, stride, dilation and padding.
"""

from collections.abc import Callable
from copy import copy

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from segsweep.quantization.corrections.float_graph import FloatGraph, WeightedOperator
from segsweep.quantization.corrections.layer_by_layer import Corrected, LayerByLayer
from segsweep.tflite.cutting import cut


def correct_biases(float_model: bytes, images: np.ndarray, quantize: Callable[[bytes], bytes]) -> Corrected:
    """The float file with biases for which the integer file has the output means of the float file, layer by layer.

    Args:
        float_model: the file to correct.
        images: (N, H, W, C) float32, normalized: the calibration images.
        quantize: makes the integer file of a float file, always with the same ranges.
    """
    changed = []
    run = LayerByLayer(float_model, images, quantize)
    for operator in run:
        weights, integers = run.graph.weights(operator), run.integer.weights(operator)
        exact = output_mean(run.graph, operator, weights, run.exact_input(operator).mean(axis=0))
        rounded = weights if integers is None else integers.restored
        found = output_mean(run.graph, operator, rounded, run.rounded_input(operator).mean(axis=0))
        run.graph.set_bias(operator, (run.graph.bias(operator) + (exact - found)).astype(np.float32))
        changed.append(operator.name)
    return Corrected(run.graph.packed(), tuple(changed))


def output_mean(
    graph: FloatGraph, operator: WeightedOperator, weights: np.ndarray, mean_input: np.ndarray
) -> np.ndarray:
    """(C,) float64: mean of each output channel over positions, before a fused activation.

    Args:
        graph: of the float file.
        operator: one of it.
        weights: in place of its own, of the same shape.
        mean_input: (...) float32, the mean of its input over images.
    """
    content = copy(graph.content)
    content.buffers = list(graph.content.buffers)
    stored = schema.BufferT()
    stored.data = np.ascontiguousarray(weights, np.float32).view(np.uint8).reshape(-1)
    content.buffers[graph.graph.tensors[operator.weights].buffer] = stored
    main, node = copy(graph.graph), copy(graph.graph.operators[operator.index])
    node.builtinOptions = copy(node.builtinOptions)
    node.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
    main.operators = [node]
    content.subgraphs = [main]
    interpreter = Interpreter(
        model_content=cut(content, [0], {}).content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], mean_input[np.newaxis].astype(np.float32))
    interpreter.invoke()
    (port,) = interpreter.get_output_details()
    values = interpreter.get_tensor(port["index"])
    return values.reshape(-1, values.shape[-1]).mean(axis=0, dtype=np.float64)
