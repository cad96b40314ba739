"""What makes a variant's file a model to MLflow, from the file alone."""

from collections.abc import Sequence

from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import Metadata, read
from segsweep.tracking import names
from segsweep.tracking.mlmodel import mlmodel, model_history

_UNKNOWN_TYPE = "float32"
"""Of images whose histograms are changed first: any numbers will do there, and MLflow wants one type."""


def model_description(
    run_id: str, content: bytes, model: TFLiteModel, image_shape: Sequence[int] | None = None
) -> dict[str, bytes]:
    """The artifact `model/MLmodel` of a variant's run, by its path.

    Args:
        run_id: of the variant.
        content: the `.tflite` file.
        model: the same, loaded.
        image_shape: height, width and channels of an image before it is padded; None: those of the file's input.
    """
    metadata = read(content)
    height, width, channels = image_shape or model.input_shape
    by_pixel = model.output_size == model.input_shape[:2]
    description = mlmodel(
        run_id,
        image_shape=(height, width, channels),
        output_size=(height, width) if by_pixel else model.output_size,
        dtype=(metadata.dtype if metadata else "") or _UNKNOWN_TYPE,
        size_bytes=len(content),
        described=_described(metadata) if metadata else {},
    )
    return {names.MLMODEL_FILE: description}


def model_tags(run_id: str, files: dict[str, bytes]) -> dict[str, str]:
    """The tags that go with it."""
    return {names.MODEL_HISTORY: model_history(run_id, files[names.MLMODEL_FILE])}


def _described(metadata: Metadata) -> dict[str, object]:
    return {
        "classes": list(metadata.classes),
        "bands": list(metadata.bands),
        "quantization": metadata.quantization,
        "data": metadata.data,
        "segsweep_version": metadata.segsweep_version,
    }
