"""`.tflite` files of one convolution, made without TensorFlow: what they say of a pixel can be reckoned by hand."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from segsweep.tflite.flatbuffer import pack
from segsweep.tflite.metadata import Metadata, embed

TILE = 32


def tensor(content: schema.ModelT, name: str, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
    """A new tensor of the first subgraph; its number."""
    buffer = schema.BufferT()
    if data is not None:
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
    content.buffers.append(buffer)
    new = schema.TensorT()
    new.name, new.shape, new.buffer = name, list(shape), len(content.buffers) - 1
    new.type = schema.TensorType.FLOAT32
    content.subgraphs[0].tensors.append(new)
    return len(content.subgraphs[0].tensors) - 1


def empty() -> schema.ModelT:
    """A model with one subgraph and nothing in it."""
    content = schema.ModelT()
    content.version, content.description = 3, "made by hand"
    content.buffers, content.operatorCodes, content.metadata = [schema.BufferT()], [], []
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs, graph.name = [], [], [], [], "main"
    content.subgraphs = [graph]
    return content


def operator(content: schema.ModelT, builtin: int, inputs: list[int], outputs: list[int], kind: int, options) -> None:
    """One more operator of the first subgraph."""
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, min(builtin, 127), 1
    content.operatorCodes.append(code)
    new = schema.OperatorT()
    new.opcodeIndex, new.inputs, new.outputs = len(content.operatorCodes) - 1, inputs, outputs
    new.builtinOptionsType, new.builtinOptions = kind, options
    content.subgraphs[0].operators.append(new)


def convolution(
    kernel: np.ndarray, bias: np.ndarray, size: tuple[int, int] = (TILE, TILE), softmax: bool = False
) -> bytes:
    """Logits of images (1, *size, C): a convolution with `kernel` (K, h, w, C), zeros around the image."""
    classes, _, _, bands = kernel.shape
    content = empty()
    image = tensor(content, "image", (1, *size, bands))
    weights = tensor(content, "kernel", kernel.shape, kernel.astype(np.float32))
    shift = tensor(content, "bias", bias.shape, bias.astype(np.float32))
    logits = tensor(content, "logits", (1, *size, classes))
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.SAME, 1, 1
    options.dilationHFactor = options.dilationWFactor = 1
    operator(content, schema.BuiltinOperator.CONV_2D, [image, weights, shift], [logits],
             schema.BuiltinOptions.Conv2DOptions, options)  # fmt: skip
    graph = content.subgraphs[0]
    graph.inputs, graph.outputs = [image], [logits]
    if softmax:
        shares = tensor(content, "shares", (1, *size, classes))
        softmax_options = schema.SoftmaxOptionsT()
        softmax_options.beta = 1.0
        operator(content, schema.BuiltinOperator.SOFTMAX, [logits], [shares],
                 schema.BuiltinOptions.SoftmaxOptions, softmax_options)  # fmt: skip
        graph.outputs = [shares]
    return signed(content)


def signed(content: schema.ModelT) -> bytes:
    """The file, with the signature that converters give and quantizers look for."""
    graph = content.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = _ports("input", graph.inputs), _ports("output", graph.outputs)
    content.signatureDefs = [signature]
    return pack(content)


def _ports(role: str, tensors: list[int]) -> list[schema.TensorMapT]:
    ports = []
    for number, index in enumerate(tensors):
        port = schema.TensorMapT()
        port.name, port.tensorIndex = f"{role}_{number}", index
        ports.append(port)
    return ports


def metadata(bands: int, classes: int, **changes) -> Metadata:
    """What `pixelwise` and its like say of themselves."""
    names = ("field", "wood", "water", "town")[:classes]
    fields = {
        "classes": names,
        "palette": ((255, 0, 0), (0, 128, 0), (0, 0, 255), (9, 9, 9))[:classes],
        "bands": tuple(f"B{number + 2:02d}" for number in range(bands)),
        "rgb": tuple(min(number, bands - 1) for number in (2, 1, 0)),
        "mean": tuple(100.0 + 10 * number for number in range(bands)),
        "std": tuple(20.0 + number for number in range(bands)),
        "quantization": "float32",
        "training_key": "t",
        "variant_key": "v",
        "data": "by_hand",
        "dtype": "uint16",
    }
    return Metadata(**{**fields, **changes})


def weights(bands: int, classes: int, side: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A kernel (K, side, side, C) and a bias (K,)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(classes, side, side, bands)), 0.1 * rng.normal(size=classes)


def pixelwise(bands: int = 4, classes: int = 3, seed: int = 0, **changes) -> bytes:
    """A model that looks at each pixel alone: tiles and how they are blended make no difference."""
    return embed(convolution(*weights(bands, classes, 1, seed)), metadata(bands, classes, **changes))


def wide(bands: int = 1, classes: int = 2, side: int = 9, seed: int = 0) -> bytes:
    """A model that looks around each pixel, where beyond its tile there are zeros: tiles have seams."""
    return embed(convolution(*weights(bands, classes, side, seed)), metadata(bands, classes))


def pixelwise_shares(scene: np.ndarray, bands: int = 4, classes: int = 3, seed: int = 0) -> np.ndarray:
    """What `pixelwise` should say of a scene (H, W, C): probabilities (H, W, K), in float64."""
    kernel, bias = weights(bands, classes, 1, seed)
    said = metadata(bands, classes)
    logits = ((scene - np.array(said.mean)) / np.array(said.std)) @ kernel[:, 0, 0].T + bias
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def noise(height: int, width: int, bands: int = 4, seed: int = 0) -> np.ndarray:
    """A scene (H, W, C) uint16 of smooth fields and noise, around the mean that `metadata` says."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(height // 8 + 2, width // 8 + 2, bands)).repeat(8, 0).repeat(8, 1)[:height, :width]
    return np.clip(115 + 25 * coarse + 8 * rng.normal(size=(height, width, bands)), 1, None).astype(np.uint16)
