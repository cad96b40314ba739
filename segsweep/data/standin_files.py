"""Writing stand-ins: generated scenes in the files and folders that the real data has."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segsweep.config.data_schema import ImageFolderConfig, NpzConfig, OxfordPetsConfig, VocConfig
from segsweep.data import voc
from segsweep.data.image_files import RASTERS, writing_raster
from segsweep.data.image_folder import labelling_of
from segsweep.data.oxford_pets import LISTS, TRIMAP
from segsweep.data.standin_scenes import borders, draw_light, draw_objects, draw_regions, paint
from segsweep.data.synthetic_parcels import render_scene

_IMAGES, _IMAGES_CUT = 48, 24
"""How many; fewer where each is cut into patches."""
_IN_A_GROUP = 4
_TESTED = 3
"""Of so many images one is for the test."""
_UNLABELLED = 6
_SIDES = (96, 150)
_PARCELS, _PARCELS_TESTED, _PARCEL_SIDE = 72, 32, 64
_BREEDS = ("Abyssinian", "Beagle", "Birman", "pug")


def write_npz(config: NpzConfig, root: Path) -> None:
    """`train.npz` and `test.npz` with 12 Sentinel-2 bands and a mask of the cultivated land."""
    for number, (name, scenes) in enumerate((("train", _PARCELS), ("test", _PARCELS_TESTED))):
        drawn = [render_scene(_random(0, number, index), _PARCEL_SIDE) for index in range(scenes)]
        groups = {} if config.groups is None else {config.groups: np.arange(scenes) // _IN_A_GROUP + number * scenes}
        arrays = {"X": np.stack([scene.image for scene in drawn]), "Y": np.stack([scene.mask for scene in drawn])}
        np.savez(root / f"{name}.npz", **arrays, **groups)  # type: ignore[arg-type]


def write_image_folder(config: ImageFolderConfig, root: Path) -> None:
    """Scenes of all classes, in files of the names, with the ids or colours, that the settings say."""
    meaning = labelling_of(config)
    values = np.array([value for _, value in meaning.stored])
    bands = _bands_asked(config)
    shape = (96, 128)
    if config.patch.size is not None:
        shape = (config.patch.size * 5 // 4, config.patch.size * 7 // 4)
    for index in range(_IMAGES if config.patch.size is None else _IMAGES_CUT):
        rng, group = _random(1, index), index // _IN_A_GROUP
        size = shape if config.size is None else tuple(length + int(rng.integers(0, 32)) for length in shape)
        labels = draw_regions(rng, (size[0], size[1]), len(values), sure=index % len(values))
        image = paint(rng, labels, draw_light(_random(2, group)))
        mask = values[labels]
        if meaning.void and not meaning.coloured and 0 <= meaning.void[0] < 2**16:
            mask[borders(labels, 1)] = meaning.void[0]
        _save(root / _filled(config.images, group, index), _with_bands(rng, image, bands))
        drawn = _drawn(mask, meaning.coloured)
        if meaning.tolerance:
            drawn = _off(_random(6, index), drawn, meaning.tolerance)
        _save(root / _filled(config.masks, group, index), drawn)
    if config.unlabelled is not None:
        for index in range(_UNLABELLED):
            rng = _random(3, index)
            labels = draw_regions(rng, shape, len(values), sure=0)
            image = paint(rng, labels, draw_light(rng))
            _save(root / _filled(config.unlabelled, 90, 900 + index), _with_bands(rng, image, bands))


def _bands_asked(config: ImageFolderConfig) -> int:
    """How many bands the files must have for these settings."""
    if Path(config.images).suffix.lower() not in RASTERS:
        return 3
    return max([3, *(channel + 1 for channel in config.channels or ()), len(config.bands or ())])


def _with_bands(rng: np.random.Generator, image: np.ndarray, bands: int) -> np.ndarray:
    """An image with further bands, each a mixture of red, green and blue, in 16 bits."""
    if bands == 3:
        return image
    mixtures = np.random.default_rng(bands).dirichlet((1, 1, 1), bands - 3).T
    more = np.concatenate([image, image @ mixtures + rng.normal(0, 3, (*image.shape[:2], bands - 3))], axis=-1)
    return np.clip(np.rint(more * 16), 0, 2**16 - 1).astype(np.uint16)


def _drawn(values: np.ndarray, coloured: bool) -> np.ndarray:
    """A mask as it is saved."""
    if coloured:
        return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=-1).astype(np.uint8)
    return values.astype(np.uint8 if values.max() < 2**8 else np.uint16)


def _off(rng: np.random.Generator, colours: np.ndarray, tolerance: int) -> np.ndarray:
    """A mask in which some colours are not exactly those of the palette, as where masks were compressed."""
    shifts = rng.integers(-(tolerance // 4), tolerance // 4 + 1, colours.shape)
    shifts[rng.random(colours.shape[:2]) > 0.02] = 0
    return np.clip(colours + shifts, 0, 255).astype(np.uint8)


def _filled(pattern: str, group: int, index: int) -> str:
    """A name that matches: `Tile 3/images/image_part_011.jpg`, or `scene03_011_sat.jpg`."""
    *folders, last = pattern.split("*")
    if len(folders) == 1:
        return f"{folders[0]}scene{group:02}_{index:03}{last}"
    *before, file = folders
    return f"Tile {group + 1}".join([*before, ""]) + f"{file}image_part_{index:03}{last}"


def write_voc(config: VocConfig, root: Path) -> None:
    """Objects of the 20 classes on a background, with their borders void, in VOC's layout."""
    folder = root / "VOCdevkit" / "VOC2012"
    names = []
    for index in range(_IMAGES):
        rng = _random(4, index)
        kinds = [1 + index % 20, *rng.integers(1, 21, 2).tolist()]
        labels = draw_objects(rng, _some_shape(rng), kinds)
        image = paint(rng, labels, draw_light(rng))
        names.append(f"2007_{index:06}")
        _save(folder / "JPEGImages" / f"{names[-1]}.jpg", image)
        mask = Image.fromarray(np.where(borders(labels, 2), voc.VOID, labels).astype(np.uint8))
        mask.putpalette([level for number in range(256) for level in voc.colour(number)])
        _make_room(folder / "SegmentationClass" / f"{names[-1]}.png")
        mask.save(folder / "SegmentationClass" / f"{names[-1]}.png")
    train, test = _divided(names)
    for name, listed in (("train", train), ("val", test), ("trainval", names)):
        _write_list(folder / voc.LISTS / f"{name}.txt", listed)


def write_oxford_pets(config: OxfordPetsConfig, root: Path) -> None:
    """A pet on a background, with its border, in the layout of Oxford-IIIT Pet."""
    lines = []
    for index in range(_IMAGES):
        rng = _random(5, index)
        breed = index % len(_BREEDS)
        name = f"{_BREEDS[breed]}_{index + 1}"
        labels = draw_objects(rng, _some_shape(rng), [1 + breed], most=1)
        trimap = np.where(labels > 0, TRIMAP["pet"], TRIMAP["background"])
        trimap[borders(labels, 2)] = TRIMAP["border"]
        _save(root / "images" / f"{name}.jpg", paint(rng, labels, draw_light(rng)))
        _save(root / "annotations" / "trimaps" / f"{name}.png", trimap.astype(np.uint8))
        lines.append(f"{name} {breed + 1} {2 if breed in (1, 3) else 1} {breed // 2 + 1}")
    train, test = _divided(lines)
    _write_list(root / LISTS["train"], train)
    _write_list(root / LISTS["test"], ["#Image CLASS-ID SPECIES BREED ID", *test])


def _random(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def _some_shape(rng: np.random.Generator) -> tuple[int, int]:
    height, width = rng.integers(*_SIDES, 2).tolist()
    return height, width


def _divided(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names to learn from, and names for the test."""
    test = [name for index, name in enumerate(names) if index % _TESTED == 0]
    return [name for name in names if name not in test], test


def _write_list(path: Path, lines: Sequence[str]) -> None:
    _make_room(path)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _make_room(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)


def _save(path: Path, pixels: np.ndarray) -> None:
    """Write an image (H, W, C) or a mask (H, W) in the format of the path's ending."""
    _make_room(path)
    if path.suffix.lower() in RASTERS:
        with writing_raster(path, pixels) as raster:
            raster.write(np.moveaxis(np.atleast_3d(pixels), -1, 0))
    else:
        Image.fromarray(pixels).save(path, quality=92, subsampling=0)
