"""The small trained U-Net with its data, as a verb would find it."""

from dataclasses import replace

import numpy as np
import small_unet

from segsweep.candidates.source import Source
from segsweep.composed_settings import composed_settings
from segsweep.data.dataset import ArraySplit, Dataset, Normalization
from segsweep.quantization.band_rescaling import rescale_bands
from segsweep.tflite.metadata import Metadata

BANDS = ("a", "b", "c", "d")


def source_of(factors=(1, 1, 1, 1), float_model: bytes | None = None) -> Source:
    """Its bands so many times as large, its first weights as much smaller."""
    factors = np.array(factors, float)
    file = rescale_bands(small_unet.float_file("nearest"), factors) if float_model is None else float_model
    splits = {}
    for seed, (name, count) in enumerate({"train": 40, "validation": 12, "test": 8}.items()):
        images, labels = small_unet.blobs(count, seed)
        splits[name] = ArraySplit((images * factors).astype(np.float32), labels)
    normalization = Normalization(np.zeros(4, np.float32), np.ones(4, np.float32))
    dataset = Dataset(
        name="blobs",
        classes=("x", "y", "z"),
        palette=((0, 0, 0), (9, 9, 9), (99, 99, 99)),
        bands=BANDS,
        rgb=(0, 1, 2),
        **splits,
        normalization=normalization,
    )
    metadata = Metadata(
        classes=dataset.classes, palette=dataset.palette, bands=BANDS, rgb=dataset.rgb, mean=(0.0,) * 4,
        std=(1.0,) * 4, quantization="float32", training_key="t", variant_key="v", data="blobs",
    )  # fmt: skip
    config = composed_settings([])
    return Source(file, config, dataset, normalization, splits["train"].images[:16], metadata)


def with_range(source: Source, how: str, percentile: float) -> Source:
    """The same with other settings of the calibration."""
    quantization = source.config.quantization
    calibration = replace(quantization.calibration, range=how, percentile=percentile)
    return replace(
        source, config=replace(source.config, quantization=replace(quantization, calibration=calibration))
    )  # fmt: skip
