"""What can be configured: a dataclass for each section, with meaning, unit and range beside each field.

The classes are Hydra schemas, which must be mutable (Hydra 1.3 fails on frozen ones); after composing, a
:class:`JobConfig` holds them as values that nobody changes: use :func:`dataclasses.replace`.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

INTERNAL = {"internal": True}
"""Metadata of a field by which segsweep talks to itself: no parameter of a run."""


@dataclass
class DataConfig:
    """Settings that every data source has."""

    name: str = MISSING
    """The source; chosen by `data=NAME`."""
    histogram: str = "none"
    """What is done to each band of each image, on all splits: `none`; `equalize`, so that all values come alike often;
    `match`, so that they come as often as in `histogram_reference`."""
    histogram_reference: str | None = None
    """Path of the image to match: a picture, a TIFF, a .npy or .npz array (H, W, C) or (N, H, W, C)."""


@dataclass
class SyntheticParcelsConfig(DataConfig):
    """Generated Sentinel-2-like scenes with a binary cultivated-land mask."""

    name: str = "synthetic_parcels"
    size: int = 64
    """Height and width of a scene in pixels of 10 m; at least 16."""
    train_images: int = 96
    """Scenes to learn from."""
    validation_images: int = 24
    """Scenes that choose the best epoch."""
    test_images: int = 48
    """Scenes that the exported files are scored on."""
    seed: int = 0
    """Seed of the generator; the same seed gives the same scenes."""


@dataclass
class PatchConfig:
    """Cutting each image into square patches; those of one image always stay on one side of a split."""

    size: int | None = None
    """Height and width of a patch in pixels, at least 8; `null`: images stay whole."""
    stride: int | None = None
    """Pixels from one patch to the next, 1 to `size`, where less than `size` makes them overlap; `null`: `size`. The
    last ones of a row or a column are moved inwards, so that nothing is lost."""


@dataclass
class StoredDataConfig(DataConfig):
    """Settings of the sources that read images and masks from disk."""

    standin: bool = False
    """Generate a small data set in the same format on disk, and read that: to try things without a download."""
    classes: list[str] | None = None
    """Class names in label order."""
    merge: dict[str, list[str]] = field(default_factory=dict)
    """Classes made of others, `{new: [old, ...]}`; a class that is not named stays as it is."""
    ignore: list[str] = field(default_factory=list)
    """Classes that count nowhere, neither in the loss nor in the scores."""
    ignore_label: int | None = None
    """Label of pixels that count nowhere, neither in the loss nor in the scores."""
    channels: list[int] | None = None
    """Which bands of the images to use, from 0, in this order; `null`: all."""
    bands: list[str] | None = None
    """Names of the bands used, in their order; default `band_0`, `band_1`, ..., or red, green, blue."""
    rgb: list[int] | None = None
    """Which of the bands used to show as red, green and blue; default the first three."""
    normalize: str = "standard"
    """`standard`: each band to mean 0 and deviation 1; `percentile`: the 2nd and 98th percentile to -1 and 1."""
    patch: PatchConfig = field(default_factory=PatchConfig)
    validation_fraction: float = 0.2
    """Share of the training images (or groups) set aside to choose the best epoch; 0 < f < 1."""
    test_fraction: float = 0.2
    """Share of the images (or groups) set aside for the test when `test` is not given; 0 < f < 1."""
    split_seed: int = 0
    """Seed of the random splits."""


@dataclass
class NpzConfig(StoredDataConfig):
    """NumPy archives with arrays `X` (N, H, W, C) and `Y` (N, H, W) or (N, H, W, 1)."""

    name: str = "npz"
    train: str | None = None
    """Path of the archive to learn from; not needed for a stand-in."""
    validation: str | None = None
    """Path of a validation archive; without one, `validation_fraction` of the training archive."""
    test: str | None = None
    """Path of the test archive; without one, `test_fraction` of the training archive."""
    groups: str | None = None
    """Name of an array (N,) in the archive; images with equal values never fall on both sides of a split."""


@dataclass
class FileDataConfig(StoredDataConfig):
    """Settings of the sources whose images and masks are files in a folder."""

    root: str | None = None
    """The folder of the data; not needed for a stand-in."""
    size: list[int] | None = None
    """[height, width] that all images are brought to; `null`: they stay as they are."""
    fit: str = "resize"
    """How: `resize` stretches; `crop` scales until the size is covered and cuts out the centre; `pad` scales until the
    image fits in and fills up the right and the bottom by reflection, where labels count nowhere."""
    cache_mib: int = 256
    """Decoded images kept in memory, in MiB a process; 0: none."""
    train: str | None = None
    """File, in `root` or absolute, with a name of an image a line, or a pattern of their paths such as `train/*`;
    `null`: all that are in no other list."""
    validation: str | None = None
    """The same of the validation images; `null`: `validation_fraction` of the training images."""
    test: str | None = None
    """The same of the test images; `null`: `test_fraction` of the images."""
    duplicates: str = "refuse"
    """What is done where one image is in two splits: `refuse` the data, or `drop` it from the training split, or from
    the validation split where it is in the test too."""


@dataclass
class ImageFolderConfig(FileDataConfig):
    """Images and masks that are paired by their names."""

    name: str = "image_folder"
    images: str = "images/*.png"
    """Which files in `root` are images; what each `*` stands for pairs them with the masks."""
    masks: str = "masks/*.png"
    """Which files are masks, with as many `*`."""
    unlabelled: str | None = None
    """Which files are images without a mask, where there are any; they are no part of training and test."""
    palette: dict[str, str] | None = field(default_factory=dict)
    """Colours of the classes in masks, `{name: "#RRGGBB"}`; none: masks hold ids."""
    palette_tolerance: int = 0
    """Largest difference of red, green and blue from a palette's colour that counts as that colour, the nearest one
    first; 127 equals binarizing each at 128 where all of them are 00 or FF."""
    ids: dict[str, int] | None = field(default_factory=dict)
    """Ids of the classes in masks, `{name: id}`; none: 0, 1, ... in the order of `classes`."""
    groups: str | None = None
    """Regular expression searched in an image's path in `root`; images for which its first group (or all that it
    matches) is equal never fall on both sides of a split."""


@dataclass
class VocConfig(FileDataConfig):
    """PASCAL VOC in its layout; `root` is the folder `VOC2012`, or one that holds `VOCdevkit/VOC2012`."""

    name: str = "voc"
    target: str = "classes"
    """`classes`: background and the 20 classes; `foreground`: everything that is not background against it."""
    size: list[int] | None = field(default_factory=lambda: [256, 256])
    """[height, width] that all images are brought to."""
    fit: str = "pad"
    """How, as of `image_folder`: `resize`, `crop` or `pad`."""


@dataclass
class OxfordPetsConfig(FileDataConfig):
    """Oxford-IIIT Pet in its layout: `images`, `annotations/trimaps`, and the lists in `annotations`."""

    name: str = "oxford_pets"
    size: list[int] | None = field(default_factory=lambda: [128, 128])
    """[height, width] that all images are brought to."""


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
class AugmentationConfig:
    """Random changes of the training images, applied to image and mask together."""

    flips: Any = True
    """`true`: mirror left-right and top-bottom, each with probability 1/2; `horizontal`: left-right alone; `false`."""
    turns: bool = True
    """Turn by 0, 90, 180 or 270 degrees; only by 0 or 180 where height and width differ."""
    scale: list[float] | None = None
    """`[low, high]`: enlarge by a factor in between and cut out the input's size at random; below 1, the image goes on
    by reflection and what lies outside counts nowhere. `null`: not at all."""
    brightness: float = 0.0
    """Shift all bands by at most this many standard deviations of the training images, up or down; >= 0."""
    contrast: list[float] | None = None
    """`[low, high]`: multiply the distance of each pixel from its band's mean in the image by a factor in between."""
    noise: float = 0.0
    """Add to each band Gaussian noise of at most this many standard deviations of the training images; >= 0."""


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
class TrainingConfig:
    """How weights are made by gradient descent."""

    epochs: int = 30
    """Passes over the training images; at least 1."""
    batch_size: int = 16
    """Images a step; a batch larger than the data is the whole data."""
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
    mixed_precision: bool = False
    """Compute in float16 with weights in float32 (NVIDIA GPUs alone); gives other weights than float32. Fine-tunes and
    exported files are float32 all the same."""
    xla: bool = False
    """Compile the training step with XLA; gives slightly other weights than without."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    plateau: PlateauConfig = field(default_factory=PlateauConfig)
    fine_tuning: FineTuningConfig = field(default_factory=FineTuningConfig)
    preview_images: int = 4
    """Validation images whose prediction is logged while training, as a sequence of pictures; 0: none."""
    tensorboard: bool = False
    """Also write TensorBoard event files: `tensorboard/` beside the store while training, and with its artifacts."""


@dataclass
class CalibrationConfig:
    """Which training images fix the ranges of integer activations."""

    samples: int | None = None
    """How many training images; `null`: 64, or all where there are fewer."""
    seed: int = 0
    """Seed of the draw."""


@dataclass
class QuantizationConfig:
    """Which variant is made of the trained weights."""

    name: str = "float32"
    """`float32`, `float16`, `dynamic_range`, `weight_only_int8`, `int8`, `int16x8` or `qat_int8`."""
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    """Used by `int8` and `int16x8`, and by `qat_int8` for its control's int8."""
    epochs: int = 8
    """Epochs of the fine-tune; used by `qat_int8` alone."""
    learning_rate: float | None = None
    """Learning rate of the fine-tune; `null`: a tenth of `training.learning_rate`; used by `qat_int8` alone."""
    control: bool = True
    """Also fine-tune in float with the same budget, and log its float32 and int8; used by `qat_int8` alone."""


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
    tracking: TrackingConfig
    sweep: SweepConfig
    seed: int
