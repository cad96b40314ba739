"""`.tflite` files that are well-formed and mean harm."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from handmade_models import convolution, empty, operator, signed, tensor, weights


def endless() -> bytes:
    """A model whose computation never ends: a loop as long as true is true."""
    content = empty()
    image = tensor(content, "image", (1, 8, 8, 1))
    logits = tensor(content, "logits", (1, 8, 8, 2))
    both = tensor(content, "both", (1, 8, 8, 2))
    options = schema.ConcatenationOptionsT()
    options.axis = 3
    operator(content, schema.BuiltinOperator.CONCATENATION, [image, image], [both],
             schema.BuiltinOptions.ConcatenationOptions, options)  # fmt: skip
    loop = schema.WhileOptionsT()
    loop.condSubgraphIndex, loop.bodySubgraphIndex = 1, 2
    operator(content, schema.BuiltinOperator.WHILE, [both], [logits], schema.BuiltinOptions.WhileOptions, loop)
    content.subgraphs[0].inputs, content.subgraphs[0].outputs = [image], [logits]
    main = content.subgraphs[0]
    for name in ("condition", "body"):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs, graph.name = [], [], [], [], name
        content.subgraphs[0] = graph
        given = tensor(content, "given", (1, 8, 8, 2))
        graph.inputs = [given]
        if name == "condition":
            true = tensor(content, "true", (1,), np.array([True]))
            graph.tensors[true].type = schema.TensorType.BOOL
            graph.outputs = [true]
        else:
            negated = tensor(content, "negated", (1, 8, 8, 2))
            operator(content, schema.BuiltinOperator.NEG, [given], [negated],
                     schema.BuiltinOptions.NegOptions, schema.NegOptionsT())  # fmt: skip
            graph.outputs = [negated]
        content.subgraphs.append(graph)
    content.subgraphs[0] = main
    return signed(content)


def enormous() -> bytes:
    """A model of a few hundred bytes that asks for terabytes of memory."""
    return convolution(*weights(4, 2), size=(400_000, 400_000))
