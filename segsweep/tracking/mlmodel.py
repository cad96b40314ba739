"""The description that makes a variant's file a model to MLflow: `model/MLmodel` beside the file, which stays as it is.

The format is MLflow's, https://mlflow.org/docs/latest/ml/model/ ; written here, since MLflow's own writer copies the
file and makes up an environment, which takes longer than scoring a small model.
"""

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

import mlflow
import yaml

from segsweep.tracking import names

LOADER = "segsweep.tflite.pyfunc"


def mlmodel(
    run_id: str,
    *,
    image_shape: Sequence[int],
    output_size: Sequence[int],
    dtype: str,
    size_bytes: int,
    described: dict[str, object],
) -> bytes:
    """The file's content.

    Args:
        run_id: of the variant.
        image_shape: height, width and channels of an image, before it is padded.
        output_size: height and width of its class ids.
        dtype: NumPy's name of the data type of images in the units of the training data; others are refused by MLflow.
        size_bytes: of the `.tflite` file.
        described: what else people should see, as plain values.
    """
    folder, _, file = names.MODEL_FILE.rpartition("/")
    content = {
        "artifact_path": folder,
        "flavors": {
            "python_function": {
                "data": file,
                "loader_module": LOADER,
                "python_version": platform.python_version(),
            },
        },
        "metadata": described,
        "mlflow_version": mlflow.__version__,
        "model_size_bytes": size_bytes,
        "run_id": run_id,
        "signature": {
            "inputs": json.dumps([_tensor(dtype, [-1, *image_shape])]),
            "outputs": json.dumps([_tensor("uint8", [-1, *output_size])]),
            "params": None,
        },
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()


def model_history(run_id: str, content: bytes) -> str:
    """The value of the tag by which MLflow's UI knows that the run has a model."""
    described = yaml.safe_load(content)
    entry = {name: described[name] for name in ("artifact_path", "flavors", "run_id", "signature", "utc_time_created")}
    return json.dumps([entry])


def image_shape_of(content: bytes) -> tuple[int, int, int]:
    """Height, width and channels of an image, as :func:`mlmodel` wrote them."""
    inputs = json.loads(yaml.safe_load(content)["signature"]["inputs"])
    height, width, channels = inputs[0]["tensor-spec"]["shape"][1:]
    return height, width, channels


def _tensor(dtype: str, shape: list[int]) -> dict[str, object]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
