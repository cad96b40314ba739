"""Times `segsweep predict`: whole scenes against the invokes they need and a plain loop, memory, and one small image.

python benchmarks/predict_scene.py scene [SIDE]            SIDE x SIDE pixels of 12 bands; default 4000
python benchmarks/predict_scene.py memory [SMALL LARGE]    default 2000 and 10000
python benchmarks/predict_scene.py start
python benchmarks/predict_scene.py seams MODEL SCENE [CHANNELS]

The network is a strided U-Net of width 16 on tiles of 256 pixels. Its weights are drawn, not
learnt, which takes as long.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_BANDS, _TILE, _WIDTH = 12, 256, 16
_OVERLAP = 0.25
_CORES = len(os.sched_getaffinity(0))
_ROUNDS = 3


def make_models(folder: Path, tile: int = _TILE) -> dict[str, Path]:
    """The float32 and the int8 file."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from segsweep.config.schema import StridedUnetConfig
    from segsweep.models.table import build_model
    from segsweep.quantization.post_training import calibrate, quantize
    from segsweep.quantization.variants import VARIANTS
    from segsweep.tflite.conversion import convert_float
    from segsweep.tflite.metadata import Metadata, embed

    model = build_model(StridedUnetConfig(width=_WIDTH), (tile, tile, _BANDS), 2, seed=0)
    plain = convert_float(model)
    images = np.random.default_rng(0).normal(size=(4, tile, tile, _BANDS)).astype(np.float32)
    contents = {"float32": plain, "int8": quantize(plain, VARIANTS["int8"], calibrate(plain, images))}
    paths = {}
    for name, content in contents.items():
        said = Metadata(
            classes=("other", "field"),
            palette=((90, 90, 90), (200, 160, 40)),
            bands=tuple(f"band_{number}" for number in range(_BANDS)),
            rgb=(2, 1, 0),
            mean=(1500.0,) * _BANDS,
            std=(700.0,) * _BANDS,
            quantization=name,
            training_key="",
            variant_key="",
            data="drawn",
        )
        paths[name] = folder / f"{name}.tflite"
        paths[name].write_bytes(embed(content, said))
    return paths


def make_scene(path: Path, side: int) -> Path:
    """A GeoTIFF in tiles, not compressed."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    rng = np.random.default_rng(0)
    piece = rng.normal(1500, 700, size=(_BANDS, 512, 512)).clip(1, 10_000).astype(np.uint16)
    shape = {"height": side, "width": side, "count": _BANDS, "dtype": "uint16"}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "IF_SAFER"}
    place = {"crs": "EPSG:32633", "transform": from_origin(359130, 5352340, 10, 10)}
    with rasterio.open(path, "w", driver="GTiff", **shape, **layout, **place) as raster:
        for top in range(0, side, 512):
            for left in range(0, side, 512):
                height, width = min(512, side - top), min(512, side - left)
                raster.write(piece[:, :height, :width], window=Window(left, top, width, height))
    return path


def predict(model: Path, scene: Path, folder: Path) -> tuple[float, float, float]:
    """Wall seconds, processor seconds, and MiB of memory at most, of one prediction."""
    # In a process of its own, whose only child is the worker.
    script = (
        "import json, resource, sys, tempfile, time\n"
        "from segsweep.predict.request import Request\n"
        "from segsweep.predict.supervision import supervised\n"
        "model, scene, output, overlap = sys.argv[1:]\n"
        "started = time.perf_counter()\n"
        "staging = tempfile.mkdtemp(dir=output)\n"
        "request = Request((model,), (scene,), output, staging, overlap=float(overlap), force=True)\n"
        "supervised(request, lambda message: None, 600)\n"
        "wall = time.perf_counter() - started\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))\n"
    )
    command = [sys.executable, "-c", script, str(model), str(scene), str(folder), str(_OVERLAP)]
    wall, processor, most = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return wall, processor, most


def plain_loop(model: Path, scene: Path, folder: Path) -> tuple[float, float]:
    """Wall seconds and seconds in the interpreter of the same tiles one after the other, as written in an evening."""
    import rasterio
    from rasterio.windows import Window

    from segsweep.predict.tiling import positions
    from segsweep.tflite.interpreter import TFLiteModel

    started = time.perf_counter()
    network = TFLiteModel(model)
    with rasterio.open(scene) as source:
        profile = {**source.profile, "count": 1, "dtype": "uint8", "compress": "deflate"}
        starts = positions(source.height, _TILE, round(_TILE * _OVERLAP)).tolist()
        with rasterio.open(folder / "plain.tif", "w", **profile) as target:
            for top in starts:
                for left in starts:
                    window = Window(left, top, _TILE, _TILE)
                    pixels = np.moveaxis(source.read(window=window), 0, -1)
                    normalized = ((pixels - np.float32(1500)) / np.float32(700)).astype(np.float32)
                    target.write(network.predict(normalized[None]), window=window)
    return time.perf_counter() - started, network.invoke_seconds


def scene(side: int, folder: Path) -> None:
    """Whole-scene time, and where it goes."""
    path = make_scene(folder / "scene.tif", side)
    megapixels = side**2 / 1e6
    print(f"{side} x {side} pixels, {_CORES} cores\n")
    print(
        "| file | invokes alone, s | plain loop, s | segsweep, s | MP/s | / invokes | processor / them | plain / it |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    models = make_models(folder)
    for name, model in models.items():
        predict(model, path, folder)
        rounds = [(plain_loop(model, path, folder), predict(model, path, folder)) for _ in range(_ROUNDS)]
        plain, invokes = (statistics.median(each[0][i] for each in rounds) for i in range(2))
        wall, processor = (statistics.median(each[1][i] for each in rounds) for i in range(2))
        # What one thread needs, done by all cores at once.
        ratio = wall / (invokes / _CORES)
        print(
            f"| {name} | {invokes:.1f} | {plain:.1f} | {wall:.1f} | {megapixels / wall:.2f} | {ratio:.2f} | "
            f"{processor / invokes:.2f} | {plain / wall:.2f} |"
        )
    for name, model in models.items():
        print(f"\nWhere the time goes, {name}:\n", flush=True)
        breakdown = Path(__file__).with_name("predict_breakdown.py")
        subprocess.run([sys.executable, breakdown, model, path, str(_OVERLAP)], check=True, stderr=subprocess.DEVNULL)


def memory(sides: list[int], folder: Path) -> None:
    """The most memory of the worker, for scenes of these sides."""
    model = make_models(folder)["int8"]
    print("| pixels | MiB at most |\n| --- | ---: |")
    found = []
    for side in sides:
        path = make_scene(folder / "scene.tif", side)
        found.append(predict(model, path, folder)[2])
        print(f"| {side} x {side} | {found[-1]:.0f} |")
    print(f"\nlargest / smallest: {found[-1] / found[0]:.2f}")


def start(folder: Path) -> None:
    """One image of 64 x 64 pixels, from the command to the end."""
    model = make_models(folder, tile=64)["int8"]
    np.save(folder / "image.npy", np.zeros((64, 64, _BANDS), np.uint16))
    command = [
        sys.executable,
        "-m",
        "segsweep.cli",
        "predict",
        model,
        folder / "image.npy",
        "--output",
        folder,
        "--force",
    ]
    times = []
    for _ in range(6):
        started = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    print(f"one small image: {statistics.median(times[1:]):.2f} s, median of 5")


def seams(model: Path, path: Path, channels: str, folder: Path) -> None:
    """How often tiles that are moved give another class, beside the borders of plain tiles."""
    import rasterio

    from segsweep.tflite.interpreter import TFLiteModel

    side, moved_by = TFLiteModel(model).input_shape[0], 24
    with rasterio.open(path) as raster:
        pixels = raster.read()
    for name, start in {"here": 0, "moved": moved_by}.items():
        part = pixels[:, start:, start:]
        shape = {"count": len(part), "height": part.shape[1], "width": part.shape[2], "dtype": part.dtype}
        with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", **shape) as raster:
            raster.write(part)
    print("| overlap | beside the borders of plain tiles | everywhere |\n| ---: | ---: | ---: |")
    for overlap in ("0", "0.25", "0.5", "0.75"):
        words = [model, folder / "here.tif", folder / "moved.tif", "--output", folder, "--force", "--overlap", overlap]
        words += ["--channels", channels] if channels else []
        command = [sys.executable, "-m", "segsweep.cli", "predict", *map(str, words)]
        subprocess.run(command, check=True, capture_output=True)
        with rasterio.open(folder / "here_ids.tif") as here, rasterio.open(folder / "moved_ids.tif") as moved:
            differ = here.read(1)[moved_by:, moved_by:] != moved.read(1)
        rows, columns = (np.arange(length) + moved_by for length in differ.shape)
        near_row, near_column = ((each % side < 4) | (each % side >= side - 4) for each in (rows, columns))
        near = near_row[:, None] | near_column
        print(f"| {overlap} | {differ[near].mean():.2%} | {differ.mean():.2%} |")


def main() -> None:
    """Prints Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("scene", "memory", "start", "seams"))
    parser.add_argument("values", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segsweep-predict-") as name:
        folder = Path(name)
        if options.what == "scene":
            scene(int((options.values or ["4000"])[0]), folder)
        elif options.what == "memory":
            memory(list(map(int, options.values or ["2000", "10000"])), folder)
        elif options.what == "seams":
            model, path, *channels = options.values
            seams(Path(model), Path(path), "".join(channels), folder)
        else:
            start(folder)


if __name__ == "__main__":
    main()
