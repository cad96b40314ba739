"""A model of an ensemble: its file, what it says about itself, and what turns pixels into its input."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segsweep.data.palette import palette
from segsweep.errors import ModelError, SegsweepError, reason_of
from segsweep.predict.request import Request
from segsweep.tflite.interpreter import Port, TFLiteModel
from segsweep.tflite.metadata import Metadata, read

_LARGEST_FILE = 2**31 - 1
MOST_CLASSES = 255
_AT_ONCE = 2**16
"""Numbers that are changed at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class Member:
    """A `.tflite` file, and how it is fed."""

    path: Path
    content: bytes = field(repr=False)
    shape: tuple[int, int, int]
    """Height, width and bands of its input."""
    takes: Port
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    rgb: tuple[int, int, int]
    bands: tuple[str, ...]
    """Their names; empty where they are not known."""
    mean: np.ndarray
    """(C,) float32."""
    std: np.ndarray
    """(C,) float32."""
    dtype: str
    """Of the images it was trained on; empty where that is not known."""
    histogram: str
    histogram_table: tuple[tuple[float, ...], ...]
    gives_probabilities: bool
    """Whether its output are probabilities already."""
    nodata: float | None = None
    """What was no data in its training, in images that did not say so."""
    alpha_is_band: bool = False
    """Whether its training took a band that files tag as alpha for a band like the others."""

    def prepared(
        self,
        pixels: np.ndarray,
        invalid: np.ndarray | None,
        scale: float,
        tables: "list[BandTable] | None",
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Pixels (C, h, w) as they are stored, as the file takes them: (h, w, C), normalized and quantized.

        The same numbers as of `Normalization.apply` and `TFLiteModel`. What is `invalid` (C, h, w) becomes the mean of
        its band. They are put into `out`, where that is given.
        """
        bands, height, width = pixels.shape
        prepared = np.empty((height, width, bands), self.takes.dtype) if out is None else out
        rows_at_once = max(1, _AT_ONCE // width)
        inverse = np.float32(1) / self.std
        for band in range(bands):
            for top in range(0, height, rows_at_once):
                rows = slice(top, top + rows_at_once)
                part = pixels[band, rows]
                values = part.astype(np.float32) if tables is None else tables[band].apply(part)
                if scale != 1:
                    values *= np.float32(scale)
                values -= self.mean[band]
                values *= inverse[band]
                if invalid is not None:
                    values[invalid[band, rows]] = 0
                if self.takes.quantized:
                    values /= np.float32(self.takes.scale)
                    np.rint(values, out=values)
                    values += np.float32(self.takes.zero_point)
                    np.clip(values, self.takes.lowest, self.takes.highest, out=values)
                prepared[rows, :, band] = values
        return prepared


@dataclass(frozen=True)
class BandTable:
    """What becomes of the values of a band where histograms are changed: piecewise, by the values that occur."""

    values: np.ndarray = field(repr=False)
    """Those that occur in the scene, ascending; a value between two counts as the smaller one."""
    changed: np.ndarray = field(repr=False)
    """(len(values),) float32."""

    def apply(self, band: np.ndarray) -> np.ndarray:
        """The changed values, float32."""
        places = np.searchsorted(self.values, band, side="right") - 1
        return self.changed[places.clip(0)]


def load_member(path: Path, request: Request, classifiers: bool = False) -> Member:
    """Read, check and try a model once; `classifiers`: whether it may give one answer for a whole image.

    Raises:
        ModelError: the file cannot be used, or does not say enough about itself.
    """
    content = _content(path)
    try:
        return _member(path, content, request, classifiers)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:
        # Whoever made the file chose what its readers stumble over: offsets, lengths, types, encodings.
        raise ModelError(f"{path}: the .tflite file is damaged ({reason_of(error)})") from error


def _member(path: Path, content: bytes, request: Request, classifiers: bool) -> Member:
    model = TFLiteModel(content)
    metadata = read(content)
    by_pixel = model.output_size == model.input_shape[:2]
    if not by_pixel and not classifiers:
        raise ModelError("gives one answer for a whole image; only models that give one for each pixel can map")
    if by_pixel and model.classes > MOST_CLASSES:
        raise ModelError(f"gives {model.classes} classes; at most {MOST_CLASSES} can be mapped")
    shape = model.input_shape
    _check_metadata(metadata, shape[2], model.classes)
    classes = request.classes or (metadata.classes if metadata else tuple(f"class_{i}" for i in range(model.classes)))
    if len(classes) != model.classes:
        raise ModelError(f"gives {model.classes} classes, and --classes names {len(classes)}: {', '.join(classes)}")
    if metadata is None and not (request.mean and request.std):
        raise ModelError(
            "does not say how its input is normalized, as files of segsweep do; give --mean and --std, "
            "one number or one for each band (--mean 0 --std 1 for raw values)"
        )
    return Member(
        path=path,
        content=content,
        shape=shape,
        takes=model.input_port,
        classes=classes,
        colours=metadata.palette if metadata else palette(model.classes),
        rgb=metadata.rgb if metadata else (0, min(1, shape[2] - 1), min(2, shape[2] - 1)),
        bands=metadata.bands if metadata else (),
        mean=_by_band("--mean", request.mean or (metadata.mean if metadata else ()), shape[2]),
        std=_by_band("--std", request.std or (metadata.std if metadata else ()), shape[2]),
        dtype=metadata.dtype if metadata else "",
        histogram=metadata.histogram if metadata else "none",
        histogram_table=metadata.histogram_table if metadata else (),
        gives_probabilities=_tried(model),
        nodata=metadata.nodata if metadata else None,
        alpha_is_band=metadata.alpha_is_band if metadata else False,
    )


def _check_metadata(metadata: Metadata | None, bands: int, classes: int) -> None:
    if metadata is None:
        return
    lengths = {
        "band names": (len(metadata.bands), bands),
        "means": (len(metadata.mean), bands),
        "deviations": (len(metadata.std), bands),
        "classes": (len(metadata.classes), classes),
        "colours": (len(metadata.palette), classes),
    }
    for what, (said, wanted) in lengths.items():
        if said != wanted:
            raise ModelError(f"its metadata give {said} {what}, and it has {wanted}; it was changed after its export")
    if not all(0 <= channel < bands for channel in metadata.rgb):
        raise ModelError(f"its metadata show bands {metadata.rgb}, and it has {bands}; it was changed after its export")


def _tried(model: TFLiteModel) -> bool:
    """Whether the output looks like probabilities: not negative, and 1 in the sum of each pixel."""
    given = model.logits(np.random.default_rng(0).standard_normal((1, *model.input_shape), np.float32))
    if not np.isfinite(given).all():
        raise ModelError("gives NaN or infinite values")
    return bool((given >= 0).all() and np.abs(given.sum(axis=-1) - 1).max() < 0.01 * model.classes)


def _by_band(option: str, values: tuple[float, ...], bands: int) -> np.ndarray:
    if len(values) not in (1, bands):
        raise ModelError(f"takes {bands} bands, and {option} has {len(values)} numbers; give 1 or {bands}")
    array = np.broadcast_to(np.array(values, np.float32), bands).copy()
    if not np.isfinite(array).all() or (option == "--std" and not (array > 0).all()):
        raise ModelError(f"{option}: {', '.join(map(str, values))} cannot normalize anything")
    return array


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ModelError(f"{path}: has 2 GiB or more, which LiteRT does not load")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def require_agreement(members: list[Member], option: str = "--classes") -> None:
    """Raises SegsweepError unless all models map the same classes, on tiles of one size."""
    first = members[0]
    for other in members[1:]:
        if other.classes != first.classes:
            raise SegsweepError(
                f"{first.path} and {other.path} are of different classes ({', '.join(first.classes)}; "
                f"{', '.join(other.classes)}); an ensemble needs the same ones in the same order"
            )
        if other.shape[:2] != first.shape[:2]:
            raise SegsweepError(
                f"{first.path} takes tiles of {first.shape[0]} x {first.shape[1]} pixels and {other.path} of "
                f"{other.shape[0]} x {other.shape[1]}; an ensemble needs one size"
            )
