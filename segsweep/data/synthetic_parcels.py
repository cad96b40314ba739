"""Generated Sentinel-2-like scenes of farmland with a mask of the cultivated land: the embedded data set.

A scene is drawn on a map of 5 m cells (`parcel_layout`), filled with mixtures of materials (`parcel_spectra`) whose
shares carry a texture, and then seen through a sensor: point spread, 10, 20 or 60 m sampling, haze, illumination and
noise. Fields and meadows share their colours; what tells them apart is that a field is worked in lines along its
parcel, while a meadow of the same roughness has no direction. A pixel alone therefore does not tell what it is, and
a scene whose pixels are shuffled within small blocks tells less. A few mirroring roofs give the bands long tails.
The texture is bolder than a real scene's, so that a small network learns it from some hundred scenes within a minute.
"""

import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.data import parcel_layout, parcel_spectra
from segsweep.data.array_cache import cached_arrays
from segsweep.data.dataset import ArraySplit, Dataset, SourceImages
from segsweep.data.normalization import fit_normalization
from segsweep.data.parcel_layout import CELL, Layout, draw_layout, smooth_field, undirected_field
from segsweep.data.parcel_spectra import BANDS, CULTIVATED, FIRST_DAY, LAST_DAY, Mixture, Surface, draw_mixture
from segsweep.data.view import NADIR

CLASSES = ("other", "cultivated")
PALETTE = ((198, 208, 190), (226, 160, 45))
RGB = (3, 2, 1)
"""B04, B03, B02."""
REFLECTANCE_SCALE = 10_000
"""Stored number of reflectance 1, as in Sentinel-2 products."""

PIXEL = 10.0
"""Side of a pixel of the images, in metres."""
_GROUND_SAMPLING = {
    10: ("B02", "B03", "B04", "B08"),
    20: ("B05", "B06", "B07", "B8A", "B11", "B12"),
    60: ("B01", "B09"),
}
"""Metres between samples, and the bands so sampled (Sentinel-2 user handbook)."""
_BLUR = 0.55
"""Standard deviation of the point spread in samples; leaves some 0.2 of the contrast at the Nyquist frequency."""
_DARK_NOISE = 0.0015
"""Standard deviation of the noise of a dark sample, in reflectance."""
_SHOT_NOISE = 0.00008
"""Variance of the noise per reflectance: with the dark noise a signal-to-noise ratio of some 60 at 0.3."""
_LINE_SPACING = (38.0, 52.0)
"""Shortest and longest distance of tramlines and tillage lines, in metres."""
_BLOTCH = 34.0
"""Period of the blotches where nobody works in lines, in metres: in each band as contrasty as the lines."""
_HAZE_REFLECTANCE = 0.5
"""Of opaque haze."""
_HAZE = np.array([1.0, 0.92, 0.80, 0.68, 0.63, 0.59, 0.55, 0.50, 0.48, 0.43, 0.20, 0.12])
"""Opacity of thin haze in each band relative to B01; falls with the wavelength."""

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Scene:
    """One generated scene."""

    image: np.ndarray
    """(H, W, 12) uint16, reflectance times 10000."""
    mask: np.ndarray
    """(H, W) uint8: 1 where at least half of the pixel is cultivated."""
    cover: np.ndarray
    """(H, W, S) float64: share of each `Surface` in the pixel; sums to 1."""


def _centres(size: int, step: float) -> np.ndarray:
    """Centres (samples,) float64 of the samples that cover one axis of `size` pixels, in metres."""
    return (np.arange(np.ceil(size * PIXEL / step)) + 0.5) * step


@lru_cache(maxsize=16)
def _sampling(size: int, step: int) -> np.ndarray:
    """(samples, cells) float64: what each sample of `step` metres sees of the cells along one axis."""
    weights = np.exp(-0.5 * ((_centres(size, step)[:, None] - _centres(size, CELL)) / (_BLUR * step)) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)


@lru_cache(maxsize=16)
def _interpolation(size: int, step: int) -> np.ndarray:
    """(size, samples) float64: linear interpolation of samples of `step` metres at the pixels of one axis."""
    samples = _centres(size, step)
    position = np.clip(_centres(size, PIXEL), samples[0], samples[-1])
    return np.clip(1 - np.abs(position[:, None] - samples) / step, 0, None)


def _shares(layout: Layout, mixtures: list[Mixture], rng: np.random.Generator) -> np.ndarray:
    """Share (N, N) float64 of each cell's second material, texture included; 0..1."""
    cells = len(layout.index)
    row, column = np.mgrid[0:cells, 0:cells] * CELL
    axis = np.array([patch.axis for patch in layout.patches])[layout.index]
    spacing = rng.uniform(*_LINE_SPACING, len(mixtures))[layout.index]
    across = np.cos(axis) * row - np.sin(axis) * column + 2 * smooth_field(rng, cells, 40)
    lines = np.sqrt(2) * np.sin(2 * np.pi * across / spacing)
    textures = [(mixture.share, mixture.rows, mixture.blotches, mixture.drift) for mixture in mixtures]
    share, rows, blotches, drift = np.array(textures).T[:, layout.index]
    share += rows * lines
    share += blotches * undirected_field(rng, cells, _BLOTCH)
    share += drift * smooth_field(rng, cells, 60)
    return np.clip(share, 0, 1)


def _reflectance(layout: Layout, mixtures: list[Mixture], rng: np.random.Generator) -> np.ndarray:
    """Reflectance (12, N, N) float64 of the cells, as the sun and thin haze let it be seen."""
    cells = len(layout.index)
    share = _shares(layout, mixtures, rng)
    ground = np.stack([mixture.ground for mixture in mixtures], axis=1)[:, layout.index]
    cover = np.stack([mixture.cover for mixture in mixtures], axis=1)[:, layout.index]
    reflectance = ground + (cover - ground) * share
    reflectance *= rng.uniform(0.88, 1.08) * (1 + 0.04 * smooth_field(rng, cells, 150))
    reflectance += rng.uniform(0, 0.012) * _HAZE[:, None, None]
    if rng.random() < 0.25:
        thickness = rng.uniform(0.05, 0.3) / (1 + np.exp(-1.5 * smooth_field(rng, cells, 100)))
        opacity = _HAZE[:, None, None] * thickness
        reflectance += (_HAZE_REFLECTANCE - reflectance) * opacity
    return reflectance


def _sense(reflectance: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Image (size, size, 12) float64 of the cells: point spread, sampling, noise, resampling to 10 m."""
    image = np.empty((size, size, len(BANDS)))
    for step, names in _GROUND_SAMPLING.items():
        channels = [BANDS.index(name) for name in names]
        sampling, interpolation = _sampling(size, step), _interpolation(size, step)
        samples = sampling @ reflectance[channels] @ sampling.T
        noise = np.sqrt(_DARK_NOISE**2 + _SHOT_NOISE * np.clip(samples, 0, None))
        samples += noise * rng.standard_normal(samples.shape)
        image[..., channels] = np.moveaxis(interpolation @ samples @ interpolation.T, 0, -1)
    return image


def render_scene(rng: np.random.Generator, size: int) -> Scene:
    """A random scene of `size` x `size` pixels."""
    # All in float64, so that rounding to uint16 gives the same bytes whatever the order in which a BLAS adds up.
    layout = draw_layout(int(size * PIXEL / CELL), rng)
    day = rng.uniform(FIRST_DAY, LAST_DAY)
    mixtures = [draw_mixture(patch.surface, day, rng) for patch in layout.patches]
    image = _sense(_reflectance(layout, mixtures, rng), size, rng)
    surface = np.array([patch.surface for patch in layout.patches])[layout.index]
    cover = (surface[..., None] == np.arange(len(Surface))).reshape(size, 2, size, 2, -1).mean(axis=(1, 3))
    return Scene(
        image=np.clip(np.round(image * REFLECTANCE_SCALE), 1, 65_535).astype(np.uint16),
        mask=(cover[..., CULTIVATED].sum(axis=-1) >= 0.5).astype(np.uint8),
        cover=cover,
    )


def _split(config: SyntheticParcelsConfig, number: int, scenes: int) -> ArraySplit:
    """Scenes drawn each from a seed of its own, so that a larger split begins with the scenes of a smaller."""
    drawn = [
        render_scene(np.random.default_rng(np.random.SeedSequence((config.seed, number, index))), config.size)
        for index in range(scenes)
    ]
    images, masks = np.stack([scene.image for scene in drawn]), np.stack([scene.mask for scene in drawn])
    return ArraySplit(images, masks)


def generate(config: SyntheticParcelsConfig) -> tuple[ArraySplit, ArraySplit, ArraySplit]:
    """The training, validation and test scenes of these settings."""
    scenes = (config.train_images, config.validation_images, config.test_images)
    train, validation, test = (_split(config, number, count) for number, count in enumerate(scenes))
    return train, validation, test


def _independent(scenes: int) -> SourceImages:
    """Each scene was drawn by itself."""
    return SourceImages(np.arange(scenes), np.arange(scenes))


def load(config: SyntheticParcelsConfig) -> Dataset:
    """The data set of these settings, generated where the cache does not hold it."""

    def arrays() -> dict[str, np.ndarray]:
        splits = zip(_SPLITS, generate(config), strict=True)
        return {f"{role} {name}": getattr(split, name) for role, split in splits for name in ("images", "labels")}

    code = [Path(module.__file__ or "") for module in (sys.modules[__name__], parcel_layout, parcel_spectra)]
    settings = asdict(config)
    # It says how the scenes are used, and changes none.
    del settings["view"]
    kept = cached_arrays("synthetic_parcels", settings, code, arrays)
    train, validation, test = (
        ArraySplit(images := kept[f"{role} images"], kept[f"{role} labels"], _independent(len(images)))
        for role in _SPLITS
    )
    return Dataset(
        name=config.name,
        classes=CLASSES,
        palette=PALETTE,
        bands=BANDS,
        rgb=RGB,
        train=train,
        validation=validation,
        test=test,
        normalization=fit_normalization(train),
        known_view=NADIR,
    )
