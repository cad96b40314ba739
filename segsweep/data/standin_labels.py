"""Writing stand-ins for classification: small pictures of one kind of object each, in the files of the real data."""

from pathlib import Path

import numpy as np
from PIL import Image

from segsweep.config.data_schema import Cifar100Config, ClassFoldersConfig
from segsweep.data.cifar100 import CLASSES, NAMES_FILE, SIDE
from segsweep.data.standin_scenes import draw_light, draw_objects, paint

_TRAIN, _TEST = 12, 4
"""Pictures of each class."""
_USED = 20
"""How many of CIFAR's fine classes the stand-in shows, one of each coarse class: so few can be learnt in minutes."""
_FOLDERS = ("bark", "brick", "cloth", "gravel", "straw")
_FOLDER_SIDES = (64, 96)


def write_cifar100(config: Cifar100Config, root: Path) -> None:
    """`train.bin`, `test.bin` and the names of the classes, as in cifar-100-binary."""
    for number, (name, count) in enumerate((("train", _TRAIN), ("test", _TEST))):
        records = []
        for index in range(count * _USED):
            coarse = index % _USED
            rng = np.random.default_rng((7, number, index))
            image = _picture(rng, (SIDE, SIDE), coarse)
            # Five fine classes to a coarse one.
            records.append(np.concatenate([[coarse, coarse * 5], image.transpose(2, 0, 1).ravel()]))
        np.array(records, np.uint8).tofile(root / f"{name}.bin")
    for kind, classes in CLASSES.items():
        names = "".join(f"{kind}_{index}\n" for index in range(classes))
        (root / NAMES_FILE.format(labels=kind)).write_text(names, encoding="utf-8")


def write_class_folders(config: ClassFoldersConfig, root: Path) -> None:
    """`train` and `test` with a folder of JPEG pictures for each class."""
    for number, (side, count) in enumerate((("train", 2 * _TRAIN), ("test", 2 * _TEST))):
        for kind, name in enumerate(config.classes or _FOLDERS):
            folder = root / side / name
            folder.mkdir(parents=True)
            for index in range(count):
                rng = np.random.default_rng((8, number, kind, index))
                height, width = rng.integers(*_FOLDER_SIDES, 2).tolist()
                Image.fromarray(_picture(rng, (height, width), kind)).save(folder / f"{index:04}.jpg", quality=92)


def _picture(rng: np.random.Generator, shape: tuple[int, int], kind: int) -> np.ndarray:
    """An object of a kind on a background, (H, W, 3) uint8."""
    return paint(rng, draw_objects(rng, shape, [kind + 1], most=1), draw_light(rng))
