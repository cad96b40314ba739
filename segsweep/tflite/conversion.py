"""Keras model to `.tflite` file: the only use of TFLiteConverter.

A conversion takes seconds, so there is one for each training; everything else is made from the float file
(:mod:`segsweep.quantization.post_training`).
"""

import tensorflow as tf
import tf_keras as keras


def convert_float(model: keras.Model) -> bytes:
    """The float32 file, input (1, H, W, C), output (1, H, W, K); batch norms are folded by the converter.

    The same weights under the same layer names give the same bytes: tensors are named for the model's layers.
    """
    return _converter(model).convert()


def convert_quantized(model: keras.Model) -> bytes:
    """The integer file of a quantization-aware model, whose own quantizers give all scales; int8 input and output.

    What has no quantizer stays float: take the census of what comes out.
    """
    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


def _converter(model: keras.Model) -> tf.lite.TFLiteConverter:
    # With a dynamic batch the file would compute shapes at run time (SHAPE, STRIDED_SLICE, PACK), which
    # microcontrollers cannot.
    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    function = tf.function(lambda image: model(image, training=False), input_signature=[signature])
    # Beside the function the converter saves an object, of which it needs the variables alone. Of a Keras model it
    # would save every layer as functions of its own, which takes four times as long as all else, for the same file.
    variables = tf.Module()
    variables.of_the_model = list(model.variables)
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], variables)
