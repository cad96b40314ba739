"""Looking at every image and mask once: are they right, and what is in them."""

import contextlib
import functools
import os
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np

from segsweep.data import (
    declared_scale,
    file_split,
    fitting,
    georeference,
    image_files,
    labelling,
    mask_files,
    no_data,
    orientation,
    raster_no_data,
    raster_pages,
    survey,
)
from segsweep.data.array_cache import cached_arrays
from segsweep.data.dataset import IGNORE
from segsweep.data.file_split import FilePair, Reading
from segsweep.data.georeference import require_one_place
from segsweep.data.image_files import RASTERS, decoders, file_digest, opened_raster, read_image
from segsweep.data.mask_files import NOTHING_KEPT, check_values, read_numbers
from segsweep.data.orientation import AS_STORED, file_orientation, turned_remark, why_other_size
from segsweep.data.parallel import in_parallel
from segsweep.data.survey import LABELS, Survey, joined, survey_images
from segsweep.errors import DataError

_NAMED = 3
"""Problems that a message names."""
_MODULES = (
    *(declared_scale, file_split, fitting, georeference, image_files, labelling),
    *(mask_files, no_data, orientation, raster_no_data, raster_pages, survey),
)
READING_CODE = [Path(__file__), *(Path(module.__file__ or "") for module in _MODULES)]
"""The files that decide what is read of an image or a mask: when one changes, kept surveys are made again."""


@dataclass(frozen=True, eq=False)
class FileSurvey:
    """Of P pairs of files, which give N images or patches of images."""

    content: np.ndarray
    """(P, 64) uint8: sha256 of the image file and of the mask file, zeros for a missing mask."""
    source: np.ndarray
    """(N,) index of the pair of each patch."""
    corners: np.ndarray
    """(N, 2) row and column of the upper left pixel of each patch."""
    shapes: np.ndarray
    """(N, 2) height and width of each patch."""
    kept_nodata: np.ndarray
    """(P,) int64: what the mask declares as nodata and is the number of a class, `NOTHING_KEPT` where there is none."""
    parts: np.ndarray
    """(N, 4) first row, last row + 1, first column, last column + 1 of what counts in each patch where each pixel of an
    image counts once."""
    counted: np.ndarray
    """(N, 256) int32: pixels of each label in that part."""
    turned: np.ndarray
    """(P, 2) bool: whether the image and the mask are stored otherwise than upright."""
    patches: Survey

    def remarks(self) -> list[str]:
        """What was done to files that their owner should know, a sentence each."""
        images, masks = self.turned.sum(axis=0).tolist()
        return turned_remark(images, len(self.turned)) + turned_remark(masks, len(self.turned), "masks")


def survey_files(pairs: Sequence[FilePair], reading: Reading, known_problems: Sequence[str] = ()) -> FileSurvey:
    """Look at all pairs, in parallel, and keep what was found until a file changes.

    Args:
        pairs: whose files exist.
        reading: what is to come of them.
        known_problems: found before; said with those found here.

    Raises:
        DataError: with the number of problems, the first of them named.
    """

    def look() -> dict[str, np.ndarray]:
        found = list(in_parallel(functools.partial(_look_or_problem, reading=reading), pairs))
        problems = [*known_problems, *(each for each in found if isinstance(each, str))]
        parts = [each for each in found if not isinstance(each, str)]
        problems += _other_sizes(pairs, parts, reading) if not problems else []
        _require_none(problems)
        return {
            "source": np.repeat(np.arange(len(parts)), [len(part.patches) for part in parts]),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _OWN},
            **joined(part.patches for part in parts).arrays(),
        }

    if known_problems:
        look()
    paths = {path for pair in pairs for path in (pair.image, pair.mask) if path is not None}
    settings = {
        "reading": reading.settings(),
        "no_data": asdict(reading.no_data),
        "files": [_state(pair) for pair in pairs],
        **decoders(paths),
    }
    arrays = cached_arrays("files", settings, READING_CODE, look, folder="surveys")
    own = {name: arrays.pop(name) for name in ("source", *_OWN)}
    return FileSurvey(**own, patches=Survey(**arrays))


_OWN = ("content", "corners", "shapes", "kept_nodata", "turned", "parts", "counted")


def _state(pair: FilePair) -> list[str | int]:
    """What changes when a file does."""
    found: list[str | int] = []
    for path in (pair.image, pair.mask):
        if path is not None:
            try:
                state = path.stat()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from error
            found += [str(path.absolute()), state.st_size, state.st_mtime_ns]
            found += _sidecars(path)
    return found


def _sidecars(path: Path) -> list[str | int]:
    """What changes when a file beside a raster does, in which its mask, nodata value or scale may be."""
    found: list[str | int] = []
    if path.suffix.lower() in RASTERS:
        for beside in (f"{path}.msk", f"{path}.aux.xml"):
            with contextlib.suppress(OSError):
                state = os.stat(beside)
                found += [beside, state.st_size, state.st_mtime_ns]
    return found


def _look_or_problem(pair: FilePair, reading: Reading) -> FileSurvey | str:
    try:
        return _look(pair, reading)
    except DataError as error:
        return str(error)


def _look(pair: FilePair, reading: Reading) -> FileSurvey:
    image = read_image(pair.image, reading.kind, rule=reading.no_data)
    orientations = [file_orientation(pair.image), AS_STORED]
    kept_nodata = NOTHING_KEPT
    if pair.mask is None:
        labels: np.ndarray = np.full(image.shape[:2], IGNORE, np.uint8)
        content = file_digest(pair.image) + bytes(32)
    else:
        values, kept_nodata = read_numbers(pair.mask, reading.labelling)
        orientations[1] = file_orientation(pair.mask)
        if values.shape != image.shape[:2]:
            raise DataError(
                f"{pair.mask}: a mask of {_size(values)} for an image of {_size(image)} ({pair.image.name}); "
                f"the sizes must be equal{why_other_size(*orientations)}"
            )
        _require_one_place(pair.image, pair.mask)
        check_values(pair.mask, values, reading.labelling)
        labels = reading.labelling.apply(values)
        content = file_digest(pair.image) + file_digest(pair.mask)
    image, labels = reading.fitted(image, labels)
    patches = reading.patches
    corners = patches.corners((labels.shape[0], labels.shape[1]))
    cut = [(patches.cut(image, corner), patches.cut(labels, corner)) for corner in corners]
    parts = patches.counted((labels.shape[0], labels.shape[1]))
    counted = [part.only(mask) for part, (_, mask) in zip(parts, cut, strict=True)]
    return FileSurvey(
        content=np.frombuffer(content, np.uint8)[None],
        source=np.zeros(len(corners), np.int64),
        corners=np.array(corners, np.int64),
        shapes=np.array([labels.shape for _, labels in cut], np.int64),
        kept_nodata=np.array([kept_nodata], np.int64),
        parts=np.array([astuple(part) for part in parts], np.int64),
        counted=np.array([np.bincount(each.ravel(), minlength=LABELS) for each in counted], np.int32),
        turned=np.array([orientations]) != AS_STORED,
        patches=joined(survey_images(image[None], labels[None]) for image, labels in cut),
    )


def _require_one_place(image: Path, mask: Path) -> None:
    if image.suffix.lower() in RASTERS and mask.suffix.lower() in RASTERS:
        with opened_raster(image) as image_raster, opened_raster(mask) as mask_raster:
            require_one_place(image_raster, mask_raster, image, mask)


def _other_sizes(pairs: Sequence[FilePair], parts: Sequence[FileSurvey], reading: Reading) -> list[str]:
    """Images that are not as large as the first."""
    first = parts[0].shapes[0]
    return [
        f"{pair.image}: is {part.shapes[0][0]}x{part.shapes[0][1]} where {pairs[0].image.name} is "
        f"{first[0]}x{first[1]}; set data.size=[height,width], or data.patch.size"
        for pair, part in zip(pairs, parts, strict=True)
        if (part.shapes[0] != first).any()
    ]


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"


def _require_none(problems: Sequence[str]) -> None:
    """Refuse data with problems.

    Raises:
        DataError: the first ones, and how many there are.
    """
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        more = len(problems) - _NAMED
        rest = f"; and {more} more" if more > 0 else ""
        listed = "; ".join(f"({number}) {each}" for number, each in enumerate(problems[:_NAMED], start=1))
        raise DataError(f"{len(problems)} problems in the data: {listed}{rest}")
