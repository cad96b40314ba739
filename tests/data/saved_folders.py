"""Small folders of images and masks, for the tests."""

import numpy as np
from PIL import Image

from segsweep.config.data_schema import ImageFolderConfig
from segsweep.data.sources import load_dataset

COLOURS = {"road": "#6EC1E4", "water": "#E2A929", "void": "#000000"}


def picture(seed, height=24, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def ids(seed, height=24, width=32, classes=2):
    return np.random.default_rng(100 + seed).integers(0, classes, (height, width)).astype(np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def load(root, **settings):
    settings.setdefault("classes", None if {"palette", "ids"} & settings.keys() else ["a", "b"])
    return load_dataset(ImageFolderConfig(root=str(root), **settings))


def everything(dataset):
    parts = [split.read(np.arange(len(split))) for split in (dataset.train, dataset.validation, dataset.test)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def coloured(seed, road, height=24, width=32):
    mask = np.zeros((height, width, 3), np.uint8)
    mask[ids(seed, height, width) == 1] = road
    return mask
