"""What can be configured about the training."""

from dataclasses import dataclass, field
from typing import Any

INTERNAL = {"internal": True}
"""Metadata of a field by which segsweep talks to itself: no parameter of a run."""

AUTO = "auto"
"""The word for what follows from the data."""

WIDEST = "widest"
"""As `training.teacher`: the widest training of the sweep."""

TEMPERATURE = 2.0
"""What the logits of teacher and student are divided by before their probabilities are compared."""


@dataclass
class AugmentationConfig:
    """Random changes of the training images, applied to image and mask together."""

    flips: Any = AUTO
    """`true`: mirror left-right and top-bottom, each with probability 1/2; `horizontal`: left-right alone; `false`;
    `auto`: `true` for images taken from above, `horizontal` for upright ones (`data.view`)."""
    turns: Any = AUTO
    """`true`: turn by 0, 90, 180 or 270 degrees; only by 0 or 180 where height and width differ; `false`; `auto`:
    `true` for images taken from above, `false` for upright ones (`data.view`)."""
    scale: list[float] | None = None
    """`[low, high]`: enlarge by a factor in between and cut out the input's size at random; below 1, the image goes on
    by reflection and what lies outside counts nowhere. `null`: not at all."""
    brightness: float = 0.0
    """Shift all bands, up or down, by at most this many standard deviations of the band in the training images; with
    `data.normalize=percentile`, this many halves of the range from its 2nd to its 98th percentile; >= 0."""
    contrast: list[float] | None = None
    """`[low, high]`: multiply the distance of each pixel from its band's mean in the image by a factor in between."""
    noise: float = 0.0
    """Add to each band Gaussian noise whose deviation is drawn from 0 to this, in the unit of `brightness`; >= 0."""


@dataclass
class EarlyStoppingConfig:
    """When to stop before the last epoch, and which epoch's weights to keep."""

    monitor: str = "val/mean_iou"
    """Which epoch was best: by `val/mean_iou`, `val/mean_dice` or `val/accuracy` (higher is better), or `val/loss`."""
    patience: int | None = None
    """Stop after this many epochs without a better value; `null`: never. The best epoch's weights are kept anyway."""
    target: float | None = None
    """Stop when `monitor` has reached this value: at least it, or at most it for `val/loss`; `null`: never."""


@dataclass
class PlateauConfig:
    """How `training.schedule=plateau` lowers the learning rate where `early_stopping.monitor` gets no better."""

    factor: float = 0.5
    """Times this; 0 < f < 1."""
    patience: int = 5
    """After so many epochs without a better value; at least 1."""
    min_share: float = 0.01
    """Never below this share of the highest rate; 0 < s < 1."""


@dataclass
class FineTuningConfig:
    """A second phase of the same training, from the first one's best epoch on, with a fresh optimizer."""

    epochs: int = 0
    """Epochs after those of `training.epochs`; 0: none."""
    frozen: str = "none"
    """Which of the encoder's layers stay as they are in this phase; as `model.frozen`, which holds in the first."""
    learning_rate: float | None = None
    """The highest learning rate of this phase; `null`: a tenth of `training.learning_rate`."""


@dataclass
class PseudoLabelsConfig:
    """Training again with labels that the trained model gives to training pixels without one, where it is sure."""

    rounds: int = 0
    """How often: each round's model teaches the next one. 0: not at all."""
    start: str = "teacher"
    """Where a round starts: from the weights of its `teacher`, or `anew`, as the first training did."""
    threshold: Any = 0.9
    """Least probability at which a label is given: a number, or a list of one a class; 0 < t <= 1."""
    images: str = "unlabelled"
    """Whose pixels: of the `unlabelled` images of the data, of the `training` images (those that are ignored), or of
    `both`. Never of validation or test."""


@dataclass
class TrainingConfig:
    """How weights are made by gradient descent."""

    epochs: int | None = None
    """Passes over the training images; at least 1. `null`: 30, and up to 100 where these are fewer than 700 optimizer
    steps even in small batches."""
    batch_size: int | None = None
    """Images a step; a batch larger than the data is the whole data. `null`: the largest of 4, 8 and 16 that gives
    1500 optimizer steps or more, else 4; at least 8 where images have a class each."""
    learning_rate: float = 1e-3
    """The optimizer's step size, at its highest; > 0."""
    optimizer: str = "adam"
    """`adam`, `adamw`, `nadam`, `rmsprop` or `sgd` (Nesterov momentum)."""
    weight_decay: float = 0.0
    """Decoupled weight decay per step; >= 0."""
    momentum: float = 0.9
    """Momentum; used by `sgd` alone."""
    schedule: str = "cosine"
    """Learning rate over the epochs: `constant`, `cosine` (to 0), `linear` (to 0), `exponential` (to 1 %) or
    `plateau` (lowered where the monitored metric gets no better)."""
    warmup_epochs: int = 0
    """Epochs over which the learning rate first rises linearly from 0; >= 0."""
    gradient_clip_norm: float | None = None
    """Gradients are scaled down to this global norm; `null`: not at all."""
    threads: int = 1
    """TensorFlow threads; part of the training key, since another number of threads gives other weights."""
    ema: float | None = None
    """Score and keep an exponential moving average of the weights over the steps instead of the last ones: the share of
    the average that a step keeps, such as 0.98; 0 < e < 1. `null`: not at all. Fine-tunes do not average."""
    mixed_precision: bool = False
    """Compute in float16 with weights in float32 (NVIDIA GPUs alone); gives other weights than float32. Fine-tunes and
    exported files are float32 all the same."""
    xla: bool = False
    """Compile the training step with XLA; gives slightly other weights than without."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    plateau: PlateauConfig = field(default_factory=PlateauConfig)
    fine_tuning: FineTuningConfig = field(default_factory=FineTuningConfig)
    initial_weights: str | None = None
    """Path of a `weights/weights.npz` that an earlier training of the same model logged, perhaps with smaller images:
    where this one starts. `null`: as the model says."""
    pseudo_labels: PseudoLabelsConfig = field(default_factory=PseudoLabelsConfig)
    teacher: str | None = None
    """A trained network whose logits this training learns from, beside the labels (knowledge distillation, Hinton et
    al. 2015, arXiv:1503.02531): the run id of a float training or of one of its variants, or the beginning of one; or
    `widest`, the training of the sweep with the largest `model.width` and the same other settings. `null`: none."""
    teacher_weight: float = 1.0
    """Weight of the divergence from the teacher, beside the loss; >= 0. 0: no teacher."""
    teacher_width: int | None = None
    """The width of the teacher `widest`; `null`: the largest `model.width` of the sweep."""
    teacher_key: str | None = field(default=None, metadata=INTERNAL)
    """Training key of a teacher that is a run; set by the sweep itself."""
    preview_images: int = 4
    """Validation images whose prediction is logged while training, as a sequence of pictures; 0: none."""
    tensorboard: bool = False
    """Also write TensorBoard event files: `tensorboard/` beside the store while training, and with its artifacts."""

    @property
    def is_taught(self) -> bool:
        """Whether it learns from the logits of a teacher."""
        return self.teacher is not None and self.teacher_weight > 0
