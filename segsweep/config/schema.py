"""What can be configured: a dataclass for each section, with meaning, unit and range beside each field.

The classes are Hydra schemas, which must be mutable (Hydra 1.3 fails on frozen ones); after composing, a
:class:`JobConfig` holds them as values that nobody changes: use :func:`dataclasses.replace`.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from segsweep.config.data_schema import DataConfig
from segsweep.config.training_schema import INTERNAL, TrainingConfig


@dataclass
class ModelConfig:
    """Settings that every model has."""

    name: str = MISSING
    """The architecture; chosen by `model=NAME`."""
    width: int = 8
    """Channels of the first level; deeper levels double it; at least 1."""


@dataclass
class StridedUnetConfig(ModelConfig):
    """A small U-Net that goes down by strided convolutions."""

    name: str = "strided_unet"
    depth: int = 3
    """Number of times the resolution is halved; 1 to 7."""
    upsampling: str = "nearest"
    """How the resolution is doubled: `nearest`, `bilinear` or `transposed` (a learned 2x2 convolution)."""


@dataclass
class LossConfig:
    """What training minimizes, over the pixels that are not ignored."""

    name: str = "cross_entropy"
    """The loss; chosen by `loss=NAME`."""
    class_weights: Any = None
    """`null`: all classes count alike; `balanced`: inverse class frequency; or a list, one weight a class."""


@dataclass
class CalibrationConfig:
    """Which training images fix the ranges of integer activations."""

    samples: int | None = None
    """How many training images; `null`: 64, or all where there are fewer."""
    seed: int = 0
    """Seed of the draw."""
    choice: str = "random"
    """How they are chosen: at `random`; `stratified`, the classes in turn, the rarest first; or `farthest`, each as
    different from the others as can be, by mean and deviation of its bands."""
    range: str = "auto"
    """Range of an activation, over which the steps of 8 or 16 bits are spread: from the smallest to the largest value
    of all images (`min_max`); from the mean of the images' smallest to that of their largest (`average`); the middle
    `percentile` of the values; or the range with the least mean squared error (`mse`). `auto`: the one of these that
    does best on validation images, also with another one for the network's input; of activations of 16 bits
    `min_max`."""
    percentile: float = 99.99
    """Share of the values, in percent, that `percentile` keeps; 50 <= p < 100; used by `auto` too, which tries it."""


@dataclass
class PruningConfig:
    """What becomes of small weights; used by the variants of pruned weights alone."""

    sparsity: float = 0.5
    """Share of the weights of each convolution and dense layer that become 0; 0 < s < 1. Not of depthwise ones."""


@dataclass
class ClusteringConfig:
    """How many distinct weights there are; used by the variants of clustered weights alone."""

    clusters: int = 16
    """Distinct weights of each convolution and dense layer, at most; 2 to 256. Not of depthwise ones."""


@dataclass
class QuantizationConfig:
    """Which variant is made of the trained weights."""

    name: str = "float32"
    """`float32`, `float16`, `dynamic_range`, `weight_only_int8`, `int8`, `int16x8`, `int4`, `mixed`; after a fine-tune
    `qat_int8`, `qat_int4`, `pruned_float32`, `pruned_int8`, `clustered_float32`, `clustered_int8`, and after two
    `pqat_int8` and `cqat_int8`, and for a recipe `qat_mixed`."""
    recipe: str | None = None
    """Path of a recipe, which says what each layer is; needed by `mixed` and `qat_mixed`, used by them alone.
    `segsweep search` finds one."""
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    """Used by integer variants: by those after quantization-aware training for the ranges that they begin at."""
    correction: Any = "auto"
    """What is done to the weights before they become integers, from the float file and calibration images: `none`; a
    list of `equalize` (cross-layer equalization), `bias` (bias correction) and `round` (AdaRound); or `auto`, which
    keeps what helps on validation images. Used by variants with 8-bit activations whose weights were not trained to be
    rounded; of a recipe, `auto` changes nothing."""
    epochs: int = 8
    """Epochs of each fine-tune; used by variants after one."""
    learning_rate: float | None = None
    """Learning rate of fine-tunes; `null`: a tenth of `training.learning_rate`; used by variants after one."""
    distillation: float = 0.0
    """Weight of the divergence from the logits of the float training, which teaches what a quantization-aware fine-tune
    of it learns (see `training.teacher`); >= 0. Above 0 there is a second control, a float fine-tune that is taught in
    the same way. Used by fine-tunes that round."""
    control: bool = True
    """Also fine-tune in float, without any constraint, with as many epochs, and log its float32 and, for an integer
    variant, its int8; used by variants after a fine-tune."""
    pruning: PruningConfig = field(default_factory=PruningConfig)
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)


@dataclass
class LatencyConfig:
    """How long one image takes, measured with one thread when nothing else of the sweep runs."""

    enabled: bool = True
    """`false`: no latency is measured."""
    warmup_runs: int = 3
    """Invokes before the clock starts."""
    runs: int = 50
    """Invokes at most."""
    seconds: float = 0.5
    """Stop after this long, once 5 invokes are in."""


@dataclass
class EvaluationConfig:
    """How exported files are scored."""

    batch_size: int = 8
    """Images read at a time; does not change the scores."""
    latency: LatencyConfig = field(default_factory=LatencyConfig)


@dataclass
class EnsembleConfig:
    """Variants of several trainings that decide together, made when the jobs of a sweep are done."""

    name: str = "none"
    """`none`, or `best`: of each quantization, those whose trainings did best in the validation."""
    size: int = 3
    """How many files; at least 2. A quantization with fewer has no ensemble."""
    combine: str = "mean"
    """`mean` of the probabilities, `weighted` by the mean IoU in the validation, or `vote`: what most of them say."""


@dataclass
class TrackingConfig:
    """Where runs are logged."""

    uri: str = "sqlite:///mlruns/mlflow.db"
    """MLflow tracking URI."""
    experiment: str = "segsweep"
    """MLflow experiment."""
    patience: float = 43_200.0
    """Seconds that a running sweep waits for a server that stopped answering, before its jobs fail."""
    heartbeat: float = 60.0
    """Seconds between the signs of life of runs, by which other hosts tell the living from the dead."""


@dataclass
class SweepConfig:
    """What a sweep does beyond its jobs."""

    skip_impossible: bool = False
    """`true`: combinations that cannot work become SKIPPED rows; `false`: they refuse the whole sweep."""
    workers: int | None = None
    """Jobs at once; `null`: as many as cores and memory allow."""
    timeout: float | None = None
    """Seconds a job may take, its imports included; one that takes longer fails. `null`: any time."""
    retries: int | None = None
    """How often a failed job is tried again; `null`: once if its worker was killed, else not at all."""
    max_trials: int | None = None
    """Points that a search tries at most; needed by one, and without effect on a grid."""
    max_hours: float | None = None
    """Hours after which no job is started any more; what runs then is finished. `null`: no limit."""
    repeat_best: int | None = None
    """After a grid, run so many of its best points (by mean IoU) again with two new seeds each."""
    plan: bool = field(default=False, metadata=INTERNAL)
    """Say what would be done, and do nothing; set by `segsweep plan`."""
    id: str | None = field(default=None, metadata=INTERNAL)
    """Run id of the sweep that a job belongs to; set by the sweep itself."""
    number: int = field(default=0, metadata=INTERNAL)
    """Of the job in the sweep, from 0; set by the sweep itself."""
    varying: list[str] = field(default_factory=list, metadata=INTERNAL)
    """Settings that vary in the sweep, for which its runs are named; set by the sweep itself."""
    prune: bool = field(default=False, metadata=INTERNAL)
    """Whether the job's training may be given up as hopeless; set by a search."""
    attempt: int = field(default=1, metadata=INTERNAL)
    """Of the job, from 1; set by the sweep itself."""


@dataclass(frozen=True)
class JobConfig:
    """One combination of overrides, checked."""

    data: DataConfig
    model: ModelConfig
    loss: LossConfig
    training: TrainingConfig
    quantization: QuantizationConfig
    evaluation: EvaluationConfig
    ensemble: EnsembleConfig
    tracking: TrackingConfig
    sweep: SweepConfig
    seed: int
