"""How fast folders of images are read, against plain Pillow in one process.

    python benchmarks/input_pipeline.py [PAIRS] [MASKS]

1. Decoding and resizing PAIRS (default 200) pairs of 500 x 500 PNG files to 256 x 256, without a cache.
2. Looking at MASKS (default 1000) masks of 256 x 256 and their images before anything starts, and finding that again.

Both sides of 1 are repeated in turns, and the median of each counts.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

ROUNDS = 5
SIDE, SMALLER = 500, 256
BATCH = 16


def write(root: Path, pairs: int, side: int) -> None:
    """Pairs of scenes: textured, so that PNG has something to do."""
    from segsweep.data.standin_scenes import draw_light, draw_regions, paint

    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    scenes = []
    for index in range(min(pairs, 20)):
        rng = np.random.default_rng(index)
        labels = draw_regions(rng, (side, side), 5, 0)
        scenes.append((paint(rng, labels, draw_light(rng)), labels.astype(np.uint8)))
    for index in range(pairs):
        image, labels = scenes[index % len(scenes)]
        # No two are equal.
        image = np.roll(image, index // len(scenes), axis=1)
        Image.fromarray(image).save(root / "images" / f"{index:05}.png")
        Image.fromarray(labels).save(root / "masks" / f"{index:05}.png")


def plain(root: Path) -> int:
    """One pair after the other, as a script would."""
    count = 0
    for path in sorted((root / "images").iterdir()):
        image = Image.open(path).convert("RGB").resize((SMALLER, SMALLER), Image.Resampling.BILINEAR)
        mask = Image.open(root / "masks" / path.name).resize((SMALLER, SMALLER), Image.Resampling.NEAREST)
        np.asarray(image), np.asarray(mask)
        count += 1
    return count


def seconds(work: Callable[[], object]) -> float:
    """Wall time."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(pairs: int = 200, masks: int = 1000) -> None:
    """Print both measurements."""
    from segsweep.config.data_schema import ImageFolderConfig
    from segsweep.data.parallel import cores
    from segsweep.data.reading_ahead import read_ahead
    from segsweep.data.sources import _load, load_dataset

    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        root = Path(folder) / "pairs"
        write(root, pairs, SIDE)
        classes = [f"class_{index}" for index in range(5)]
        config = ImageFolderConfig(root=str(root), classes=classes, size=[SMALLER, SMALLER], cache_mib=0)
        dataset = load_dataset(config)

        def ours() -> None:
            for split in (dataset.train, dataset.validation, dataset.test):
                starts = range(0, len(split), BATCH)
                for _ in read_ahead(split, [np.arange(start, min(start + BATCH, len(split))) for start in starts]):
                    pass

        turns = [(seconds(lambda: plain(root)), seconds(ours)) for _ in range(ROUNDS)]
        alone, together = (statistics.median(column) for column in zip(*turns, strict=True))
        print(f"{cores()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"plain Pillow, one process  {pairs / alone:6.0f} pairs/s")
        print(f"segsweep                   {pairs / together:6.0f} pairs/s   {alone / together:.2f}x")

        root = Path(folder) / "masks-only"
        write(root, masks, SMALLER)
        config = ImageFolderConfig(root=str(root), classes=classes)
        first = seconds(lambda: load_dataset(config))
        _load.cache_clear()
        again = seconds(lambda: load_dataset(config))
        print(f"preflight of {masks} pairs of {SMALLER} x {SMALLER}: {masks / first:.0f} pairs/s ({first:.1f} s)")
        print(f"the same in another process: {again:.2f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
