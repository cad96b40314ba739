"""What can be configured about the data: a class for each source."""

from dataclasses import dataclass, field

from omegaconf import MISSING


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
    points: int | None = None
    """Keep the labels of so many pixels of each class in each training image, drawn at random, and ignore all others,
    as if they had been clicked; at least 1; `null`: all labels. Validation and test keep theirs."""
    points_seed: int = 0
    """Seed of that draw."""
    view: str = "auto"
    """From where the images were taken, which decides what `training.augmentation` does where it is `auto`: `nadir`,
    from above, so that any side may be up; `upright`, as people take photographs; `auto`: as the source knows it, and
    of other files and archives `nadir` where they have more than 4 bands or a georeference, else `upright`."""


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
class DownloadedDataConfig(DataConfig):
    """Settings of the sources that read from disk."""

    standin: bool = False
    """Generate a small data set in the same format on disk, and read that: to try things without a download."""
    normalize: str = "standard"
    """`standard`: each band to mean 0 and deviation 1; `percentile`: the 2nd and 98th percentile to -1 and 1."""
    validation_fraction: float = 0.2
    """Share of the training images (or groups) set aside to choose the best epoch; 0 < f < 1."""
    split_seed: int = 0
    """Seed of the random splits."""


@dataclass
class Cifar100Config(DownloadedDataConfig):
    """CIFAR-100, 32x32 pixels, in its own files: the binary ones, or those for Python."""

    name: str = "cifar100"
    root: str | None = None
    """The folder of the unpacked files, or the one it lies in; not needed for a stand-in."""
    labels: str = "fine"
    """`fine`: 100 classes; `coarse`: 20."""
    size: list[int] | None = None
    """[height, width] that all images are brought to; `null`: they stay as they are."""


@dataclass
class StoredDataConfig(DownloadedDataConfig):
    """Settings of the sources whose classes, bands and splits can be chosen."""

    classes: list[str] | None = None
    """Class names in label order."""
    merge: dict[str, list[str]] = field(default_factory=dict)
    """Classes made of others, `{new: [old, ...]}`; a class that is not named stays as it is."""
    ignore: list[str] = field(default_factory=list)
    """Classes that count nowhere, neither in the loss nor in the scores."""
    ignore_label: int | None = None
    """Label of pixels that count nowhere, neither in the loss nor in the scores."""
    nodata: float | None = None
    """Value of pixels without data in image files that do not declare one, as `-9999`; a finite number. What files
    declare (a nodata value, a mask, an alpha band) and NaN are no data anyway."""
    channels: list[int] | None = None
    """Which bands of the images to use, from 0, in this order; `null`: all."""
    bands: list[str] | None = None
    """Names of the bands used, in their order; default `band_0`, `band_1`, ..., or red, green, blue."""
    rgb: list[int] | None = None
    """Which of the bands used to show as red, green and blue; default the first three."""
    patch: PatchConfig = field(default_factory=PatchConfig)
    test_fraction: float = 0.2
    """Share of the images (or groups) set aside for the test when `test` is not given; 0 < f < 1."""


@dataclass
class NpzConfig(StoredDataConfig):
    """NumPy archives with arrays `X` (N, H, W, C) and `Y`: (N, H, W) or (N, H, W, 1), or (N,) for whole images."""

    name: str = "npz"
    train: str | None = None
    """Path of the archive to learn from; not needed for a stand-in."""
    validation: str | None = None
    """Path of a validation archive; without one, `validation_fraction` of the training archive."""
    test: str | None = None
    """Path of the test archive; without one, `test_fraction` of the training archive."""
    unlabelled: str | None = None
    """Path of an archive with images alone (`X`), for `training.pseudo_labels`; no part of training and test."""
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
    """Decoded images kept in memory, in MiB a process; 0: none. With `histogram`, the changed ones too, where there is
    room for both."""
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
class ClassFoldersConfig(FileDataConfig):
    """A folder of images for each class, which is called like it.

    Where the folders lie in `train`, `test` and `validation` (or `val`), these divide the images where no lists are
    given.
    """

    name: str = "class_folders"


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
