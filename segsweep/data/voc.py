"""PASCAL VOC 2012 segmentation in its own layout.

Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
"""

from pathlib import Path

from segsweep.config.data_schema import VocConfig
from segsweep.data.dataset import Dataset
from segsweep.data.file_lists import absent_files, named_images
from segsweep.data.file_source import Files, folder_of, lists_of, load_files
from segsweep.data.file_split import FilePair
from segsweep.data.image_files import RGB
from segsweep.data.labelling import Colour, labelling
from segsweep.data.view import UPRIGHT
from segsweep.errors import DataError

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
VOID = 255
LISTS = Path("ImageSets") / "Segmentation"
_BELOW = (Path(), Path("VOC2012"), Path("VOCdevkit") / "VOC2012")

MERGED: dict[str, dict[str, list[str]]] = {"classes": {}, "foreground": {"foreground": list(CLASSES[1:])}}
"""By target, the classes that become one."""


def colour(index: int) -> Colour:
    """The colour of a class in VOC's palette: the bits of its number, dealt out to red, green and blue from the top."""
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    red, green, blue = channels
    return red, green, blue


def load(config: VocConfig) -> Dataset:
    """The images that the lists name, with their masks.

    Raises:
        DataError: a file is missing, broken, or holds what cannot be used.
    """
    given = folder_of(config)
    root = next((given / below for below in _BELOW if (given / below / LISTS).is_dir()), None)
    if root is None:
        raise DataError(f"data.root: {given} holds no VOCdevkit/VOC2012 with {LISTS.as_posix()}; give its folder")
    lists = lists_of(config, root)
    if not any(lists.values()):
        lists |= _own_lists(root)
    names = named_images(lists, root, _all(root))
    pairs = [
        FilePair(name, root / "JPEGImages" / f"{name}.jpg", root / "SegmentationClass" / f"{name}.png")
        for name in names
    ]
    meaning = labelling(
        {name: number for number, name in enumerate(CLASSES)},
        merge={**MERGED[config.target], **config.merge},
        ignore=config.ignore,
        ignore_label=VOID,
        colours=[colour(number) for number in range(len(CLASSES))],
    )
    problems = absent_files(pairs)
    return load_files(config, Files(root, pairs, RGB, meaning, lists, first_word=True, problems=problems, view=UPRIGHT))


def _own_lists(root: Path) -> dict[str, Path | None]:
    """VOC's training list, and its validation list for the test; none where one of the two is missing."""
    train, test = (root / LISTS / name for name in ("train.txt", "val.txt"))
    return {"train": train, "test": test} if train.is_file() and test.is_file() else {}


def _all(root: Path) -> Path:
    """The list of all images."""
    lists = [root / LISTS / name for name in ("trainval.txt", "train.txt", "val.txt")]
    return next((path for path in lists if path.is_file()), lists[0])
