"""What the page is told: facts about each model, and what the models say of an image. Runs in the worker process."""

import base64
import contextlib
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from segsweep.data.dataset import IGNORE
from segsweep.data.fitting import Fit, fit_image
from segsweep.data.parallel import cores
from segsweep.data.pictures import GREY, png, true_colour
from segsweep.demo.limits import LONGEST_SHOWN
from segsweep.demo.uploads import uploaded_scene
from segsweep.evaluation.latency import cpu_name, measure_latency
from segsweep.predict.adapted_readers import suited
from segsweep.predict.answering import channels_of, nodata_of
from segsweep.predict.areas import count_classes
from segsweep.predict.blending import SceneBlender
from segsweep.predict.ensemble import Ensemble, TilePredictor
from segsweep.predict.mapping import Settings, feed_of, look_of
from segsweep.predict.member import Member, load_member
from segsweep.predict.products import class_ids
from segsweep.predict.request import Request
from segsweep.predict.scene import Reader, Scene
from segsweep.predict.scene_parts import Feed
from segsweep.predict.whole_image import WholeImage
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import read

_LIKELIEST = 5
"""Classes that are shown of what a classifier says."""


@dataclass(frozen=True)
class _Patience:
    """As for the latency that a sweep logs."""

    warmup_runs: int = 3
    runs: int = 50
    seconds: float = 0.5


class ShownModel:
    """A model of the page, ready to predict."""

    def __init__(self, path: Path, request: Request):
        """Raises ModelError where the file cannot be used."""
        self.member = load_member(path, request, classifiers=True)
        model = TFLiteModel(self.member.content)
        self.by_pixel = model.output_size == model.input_shape[:2]
        self._kernels = model.kernels
        self._latency = measure_latency(path, _Patience())
        metadata = read(self.member.content)
        self.quantization = metadata.quantization if metadata else ""
        self.ensemble = Ensemble((self.member,), np.ones(1, np.float32), votes=False)
        self.predictor = TilePredictor(self.ensemble)

    def facts(self, label: str) -> dict[str, Any]:
        """What the page says of it before there is an image."""
        member = self.member
        return {
            "label": label,
            "file": member.path.name,
            "quantization": self.quantization,
            "bytes": len(member.content),
            "milliseconds": self._latency.p50_ms,
            "runs": self._latency.runs,
            "kernels": self._kernels,
            "input": list(member.shape),
            "bands": list(member.bands),
            "by_pixel": self.by_pixel,
            "classes": list(member.classes),
            "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in member.colours],
        }


class Answers:
    """Answers for one page."""

    def __init__(self, request: Request):
        """Loads, tries and times the models. Raises ModelError where one cannot be used."""
        self._request = request
        self._models = [ShownModel(Path(model), request) for model in request.models]
        self._pool = ThreadPoolExecutor(request.threads or cores(), thread_name_prefix="predicting")

    def facts(self) -> dict[str, Any]:
        """Of the models and of this host."""
        names = labels([model.quantization for model in self._models], [model.member for model in self._models])
        return {"cpu": cpu_name(), "models": [model.facts(name) for model, name in zip(self._models, names)]}

    def of_image(self, name: str, content: bytes, whole: bool) -> dict[str, Any]:
        """What the models say of the image in a file.

        Args:
            name: of the file.
            content: its bytes.
            whole: whether it is brought to the models' size, in place of tiles.

        Raises:
            DataError: it is no image that the models take.
        """
        scenes: dict[tuple[int, float | None, bool], Scene] = {}
        shown: dict[str, Any] = {}
        results, maps = [], []
        for model in self._models:
            member = model.member
            read_as = member.shape[2], nodata_of([member], self._request), member.alpha_is_band
            if read_as not in scenes:
                scenes[read_as] = uploaded_scene(PurePath(name), content, *read_as)
            scene = suited(scenes[read_as], [member], self._request)
            settings = self._settings(model, whole)
            used = (channels_of(model.member, scene, self._request),)
            with scene.opened() as reader:
                feed = feed_of(scene, reader, settings, used)
                shown = shown or {
                    "name": name,
                    "width": scene.width,
                    "height": scene.height,
                    "image": _shown_image(scene, reader, settings, feed),
                }
                begin = time.perf_counter()
                if model.by_pixel:
                    ids, tiles = self._map(model, scene, reader, feed, settings)
                    maps.append((model.member.classes, ids))
                    result = _of_map(ids, model.member, tiles)
                else:
                    result = self._likeliest(model, scene, reader, feed)
            result["milliseconds"] = 1e3 * (time.perf_counter() - begin)
            results.append(result)
        return {**shown, "results": results, "agreement": _agreement(maps)}

    def _settings(self, model: ShownModel, whole: bool) -> Settings:
        request = self._request
        return Settings(
            ensemble=model.ensemble,
            # Of what can be written it is the one that needs the image's own colours.
            write=("overlay",),
            overlap=request.overlap,
            whole=whole,
            scale=request.scale or 1.0,
            threads=request.threads or cores(),
            # For unfinished sums of probabilities of wide images, in a file without a name.
            staging=Path(tempfile.gettempdir()),
        )

    def _map(
        self, model: ShownModel, scene: Scene, reader: Reader, feed: Feed, settings: Settings
    ) -> tuple[np.ndarray, int]:
        """The class ids (H, W) uint8, and how many tiles it took."""
        predicting: SceneBlender | WholeImage
        if settings.whole:
            predicting = WholeImage(scene, reader, model.ensemble, feed, model.predictor)
        else:
            predicting = SceneBlender(
                scene, reader, model.ensemble, feed, settings.overlap, model.predictor, settings.staging
            )
        ids = np.empty((scene.height, scene.width), np.uint8)
        blocks = predicting.blocks(self._pool, settings.threads, lambda tiles: None)
        with contextlib.closing(blocks):
            for block in blocks:
                window = block.window
                ids[window.top : window.bottom, window.left : window.right] = class_ids(block)
        return ids, predicting.tiles

    def _likeliest(self, model: ShownModel, scene: Scene, reader: Reader, feed: Feed) -> dict[str, Any]:
        _, _, planes = WholeImage(scene, reader, model.ensemble, feed, model.predictor).shares(self._pool)
        shares = model.ensemble.combined(planes)
        order = np.argsort(-shares[:, 0, 0], kind="stable")[:_LIKELIEST]
        return {"tiles": 1, "likeliest": [[int(number), float(shares[number, 0, 0])] for number in order]}


def labels(quantizations: Sequence[str], members: Sequence[Member]) -> list[str]:
    """A short name for each model, no two alike: its variant's, its file's, its path, or its number."""
    paths = [member.path for member in members]
    for names in ([*quantizations], [path.name for path in paths], [str(path) for path in paths]):
        if all(names) and len(set(names)) == len(names):
            return names
    return [f"model {number + 1}" for number in range(len(members))]


def _of_map(ids: np.ndarray, member: Member, tiles: int) -> dict[str, Any]:
    counts, missing = count_classes(ids, len(member.classes))
    there = max(1, ids.size - int(missing))
    size = _shown_size(*ids.shape)
    picture = Image.fromarray(ids).resize(size[::-1], Image.Resampling.NEAREST)
    mask = Image.frombuffer("P", picture.size, picture.tobytes(), "raw", "P", 0, 1)
    # All of its 256 colours: a PNG of fewer has fewer bits a pixel, and `IGNORE` would become another class.
    colours = [*member.colours, *[GREY] * (IGNORE + 1 - len(member.colours))]
    mask.putpalette([value for colour in colours for value in colour])
    mask.info["transparency"] = IGNORE
    return {"tiles": tiles, "mask": _address(mask), "shares": [int(count) / there for count in counts]}


def _shown_image(scene: Scene, reader: Reader, settings: Settings, feed: Feed) -> str:
    look = look_of(scene, reader, settings, feed)
    pixels = np.moveaxis(reader.read(scene.whole, feed.read)[list(look.rgb)], 0, -1)
    small = fit_image(np.nan_to_num(pixels, posinf=0, neginf=0), Fit(_shown_size(scene.height, scene.width), "resize"))
    return _address(Image.fromarray(true_colour(small, (0, 1, 2), look.limits)))


def _shown_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, LONGEST_SHOWN / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _address(picture: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(picture)).decode()}"


def _agreement(maps: Sequence[tuple[tuple[str, ...], np.ndarray]]) -> float | None:
    """Share of the pixels with data of which two maps say the same; None where they are not of the same classes."""
    if len(maps) != 2 or maps[0][0] != maps[1][0]:
        return None
    (_, first), (_, second) = maps
    there = (first != IGNORE) & (second != IGNORE)
    return float((first == second)[there].mean()) if there.any() else None
