"""What runs, tags, metrics and artifacts are called in MLflow: the one place for these names."""

import posixpath
import re
from collections.abc import Sequence

KIND = "segsweep.kind"
SWEEP, TRAINING, VARIANT = "sweep", "training", "variant"

SWEEP_ID = "segsweep.sweep_id"
TRAINING_KEY = "segsweep.training_key"
PARENT_TRAINING_KEY = "segsweep.parent_training_key"
TRAINING_KIND = "segsweep.training_kind"
VARIANT_KEY = "segsweep.variant_key"
EVALUATION_KEY = "segsweep.evaluation_key"
BASELINE_RUN_ID = "segsweep.baseline_run_id"
SHA256 = "segsweep.sha256/"
"""Beginning of a tag for each artifact, followed by its path; the value is the hex sha256 of its bytes."""
CENSUS = "segsweep.census"
JOB = "segsweep.job"
"""Number of the job in the sweep that makes the run."""
ATTEMPT = "segsweep.attempt"
"""Which attempt of the job makes the run, from 1."""
PRUNE = "segsweep.prune"
"""Why a running training is to be given up; whoever trains it looks for this tag."""
STUDY = "segsweep.study"
"""On a sweep: what its search is; sweeps with the same one continue each other."""
OBJECTIVES = "segsweep.objectives"
"""On a sweep: what its search is after, comma-separated."""
TENSORBOARD = "segsweep.tensorboard"
"""Where the event files of a training lie on its host while it runs."""
RESUMED = "segsweep.resumed_from_epoch"
"""The epoch after which a training went on that had been interrupted."""
FAILURE = "segsweep.failure"
"""Why a run failed, one line."""
HOST, PID, PROCESS_START = "segsweep.host", "segsweep.pid", "segsweep.process_start"
"""Which process makes the run; with its start time, so that a reused pid is not mistaken for it."""
HEARTBEAT = "segsweep.heartbeat"
"""Signs of life so far and the seconds between them; a run whose signs cease is dead, wherever it was made."""
CLAIMED = "segsweep.claimed"
"""Its maker has seen that no other host makes the same."""
SCHEDULER_JOB = "segsweep.scheduler_job"
"""Id of the SLURM job that makes the run."""
CPU = "segsweep.cpu"
LATENCY_HOST = "segsweep.latency_host"
RESOLVER = "segsweep.resolver"
TEST_IMAGES = "segsweep.test_images"
VERSION = "segsweep.version"
VERSIONS = "segsweep.versions"
"""Of Python and the libraries that matter, as JSON: `{"tensorflow": "2.21.0", ...}`."""
COMMAND = "segsweep.command"
"""The command line of a sweep."""
DATA_FINGERPRINT = "segsweep.data_fingerprint"
STANDIN = "segsweep.standin"
"""`true` where the data was generated in place of a data set that must be downloaded."""

_LONGEST_CLASS = 200

PARENT_RUN = "mlflow.parentRunId"
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"

ACCURACY, MEAN_IOU, MEAN_DICE = "test/accuracy", "test/mean_iou", "test/mean_dice"
TOP5_ACCURACY, MACRO_F1 = "test/top5_accuracy", "test/macro_f1"
"""Of image-level labels; top-1 is `test/accuracy`, and the macro F1 is the same number as `test/mean_dice`."""
MEAN_PRECISION, MEAN_RECALL = "test/mean_precision", "test/mean_recall"
BOUNDARY_IOU = "test/boundary_iou"
"""Mean over the classes; also what the names of its classes begin with, as `class_metrics` makes them."""
IOU, DICE, PRECISION, RECALL = "test/iou", "test/dice", "test/precision", "test/recall"
"""What the names of classes' scores begin with."""
VALIDATION_IOU = "val/iou"
"""The same by epoch."""
DELTA_ACCURACY, DELTA_MEAN_IOU = "delta/accuracy", "delta/mean_iou"
DELTA_ACCURACY_LOW, DELTA_ACCURACY_HIGH = "delta/accuracy_low", "delta/accuracy_high"
DELTA_MEAN_IOU_LOW, DELTA_MEAN_IOU_HIGH = "delta/mean_iou_low", "delta/mean_iou_high"
"""Ends of the 95 % interval of a paired bootstrap over the test images."""
AGREEMENT = "agreement/float32"
SIZE_BYTES, GZIP_BYTES = "model/size_bytes", "model/gzip_bytes"
LATENCY_P50, LATENCY_P95 = "latency/p50_ms", "latency/p95_ms"
TRAIN_STEP_SECONDS, VALIDATION_SECONDS = "time/train_steps_s", "time/validation_s"
INVOKE_SECONDS, LATENCY_SECONDS = "time/invoke_s", "time/latency_s"
TRAIN_SECONDS, EXPORT_SECONDS, EVALUATE_SECONDS = "time/train_s", "time/export_s", "time/evaluate_s"

BEST_EPOCH = "best/epoch"

MODEL_FILE = "model/model.tflite"
CALIBRATION_FILE = "model/calibration.json"
"""Which training images calibrated it: `{"training_images": [indices]}`."""
CONFUSION_FILE = "evaluation/confusion.npz"
CONFIG_FILE = "config/config.yaml"
CENSUS_FILE = "model/census.json"
WEIGHTS_FILE = "weights/weights.npz"
CHECKPOINT_FILE = "checkpoint/state.npz"
"""State of an unfinished training, where other hosts may go on with it."""
PREVIEWS = "predictions"
"""Key of the pictures of each epoch, as MLflow logs images with steps."""
AUGMENTED_FILE = "training/augmented.png"
CURVES_FILE = "sweep/curves.png"
TENSORBOARD_FOLDER = "tensorboard"
HISTORY_FILE = "training/history.json"
PREDICTIONS_FILE = "evaluation/predictions.npz"
SAMPLES_FILE = "evaluation/samples.npz"
"""Some test images as people see them, their truth and what is predicted; see `segsweep.evaluation.samples`."""
GALLERY_FILE = "evaluation/gallery.png"
"""The same as a picture."""
ARCHITECTURE_FILE = "weights/architecture.json"
MEMBERS_FILE = "sweep/members.json"
TRIALS_FILE = "sweep/trials.json"
PARETO_FILE = "sweep/pareto.json"
COMPARISON_STEM = "sweep/comparison"
FAILURE_FILE = "failure/traceback.txt"


def class_metrics(stem: str, classes: Sequence[str]) -> list[str]:
    """Names of what classes score, one each: `test/iou_water` for the stem `test/iou`.

    What MLflow forbids in a metric's name becomes `_`; where that makes two equal, the later one gets its index.
    """
    found: list[str] = []
    for index, name in enumerate(classes):
        metric = f"{stem}_" + re.sub(r"[^\w\-. /:]", "_", name)[:_LONGEST_CLASS]
        # MLflow also forbids what a path would not keep, as in `a//b`.
        if posixpath.normpath(metric) != metric:
            metric = f"{stem}_" + metric.removeprefix(f"{stem}_").replace("/", "_")
        found.append(f"{metric}_{index}" if metric in found else metric)
    return found
