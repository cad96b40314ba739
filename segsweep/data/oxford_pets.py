"""Oxford-IIIT Pet in its own layout. Parkhi et al., "Cats and Dogs", CVPR 2012."""

from segsweep.config.data_schema import OxfordPetsConfig
from segsweep.data.dataset import Dataset
from segsweep.data.file_lists import absent_files, named_images
from segsweep.data.file_source import Files, folder_of, lists_of, load_files
from segsweep.data.file_split import FilePair
from segsweep.data.image_files import RGB
from segsweep.data.labelling import labelling
from segsweep.data.view import UPRIGHT

TRIMAP = {"pet": 1, "background": 2, "border": 3}
"""What trimaps hold."""
COLOURS = ((225, 87, 89), (78, 121, 167), (237, 201, 72))
LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}


def load(config: OxfordPetsConfig) -> Dataset:
    """The images that the lists name, with their trimaps.

    Raises:
        DataError: a file is missing, broken, or holds what cannot be used.
    """
    root = folder_of(config)
    lists = lists_of(config, root)
    if not any(lists.values()):
        lists |= {role: root / name for role, name in LISTS.items()}
    names = named_images(lists, root, root / LISTS["train"])
    pairs = [
        FilePair(name, root / "images" / f"{name}.jpg", root / "annotations" / "trimaps" / f"{name}.png")
        for name in names
    ]
    meaning = labelling(
        TRIMAP,
        merge=config.merge,
        ignore=config.ignore,
        ignore_label=config.ignore_label,
        colours=COLOURS,
    )
    problems = absent_files(pairs)
    return load_files(config, Files(root, pairs, RGB, meaning, lists, first_word=True, problems=problems, view=UPRIGHT))
