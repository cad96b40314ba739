"""Sample masks of the best trainings' variants, image by image, with where they flip pixels against float32."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from segsweep.data.dataset import IGNORE
from segsweep.data.pictures import GREY
from segsweep.evaluation.flips import FLIP_COLOURS, FLIP_MEANINGS, FLIP_NAMES, SAME, flips, possible_flips
from segsweep.evaluation.samples import Samples, read_samples
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.html.images import mask_uri, photo_uri
from segsweep.report.trainings import training_labels
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord

MOST_TRAININGS = 4
MOST_VARIANTS = 12
_MOST_BYTES = 2_500_000
"""Of all pictures together, as text."""
_FLIP_PALETTE = ((0, 0, 0), *(FLIP_COLOURS[each] for each in FLIP_NAMES))


@dataclass(frozen=True)
class Colour:
    """An entry of a legend."""

    name: str
    hex: str


@dataclass(frozen=True)
class Tile:
    """A variant's mask of an image, and its flips."""

    name: str
    mask: str
    """Address of the picture."""
    flips: str | None
    """The same; None for the baseline, or where there is none to compare with."""
    words: str
    """The class of all of it, if there is but one, and how many pixels flipped."""


@dataclass(frozen=True)
class Group:
    """The variants of one training."""

    name: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Shown:
    """A test image."""

    number: int
    """In the page."""
    index: int
    """In the test split."""
    data: str
    image: str
    truth: str
    truth_words: str
    """The class of all of it; empty where there are several."""
    width: int
    height: int
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Gallery:
    """All that is shown."""

    images: tuple[Shown, ...] = ()
    classes: tuple[Colour, ...] = ()
    flips: tuple[Colour, ...] = ()
    trainings: int = 0
    of_trainings: int = 0


@dataclass(frozen=True)
class _Family:
    """A float training's baseline and what descends from it."""

    baseline: str
    name: str
    data: str
    members: tuple[tuple[str, RunRecord], ...]
    """Name within the family, and run."""


def gallery(report: ReportInput) -> Gallery:
    """The gallery of a report; empty where no pictures were logged.

    Only the artifacts of the runs that are shown are read: those of the `MOST_TRAININGS` best trainings.
    """
    families = list(_families(report))
    images: dict[bytes, Shown] = {}
    classes: dict[str, str] = {}
    shown = size = most_classes = 0
    for family in families:
        if shown == MOST_TRAININGS or size > _MOST_BYTES:
            break
        read = {run.run_id: samples for _, run in family.members if (samples := _samples(report, run)) is not None}
        if not read:
            continue
        like = next(iter(read.values()))
        found = {run_id: samples for run_id, samples in read.items() if _same_images(samples, like)}
        shown += 1
        # Rows may be chosen without what they are compared with.
        apart = None if family.baseline in found else report.runs.get(family.baseline)
        compared = _samples(report, apart) if apart is not None else None
        if compared is not None and not _same_images(compared, like):
            compared = None
        most_classes = max(most_classes, len(like.classes))
        for place, index in enumerate(like.indices.tolist()):
            group = _group(family, found, compared, place)
            # Of data of one name there may be several test splits.
            key = like.images[place].tobytes() + like.truth[place].tobytes()
            known = images.get(key)
            if known is None:
                classes |= _class_colours(like)
                known = _shown(len(images), index, family.data, like, place)
                size += len(known.image) + len(known.truth)
            size += sum(len(tile.mask) + len(tile.flips or "") for tile in group.tiles)
            images[key] = replace(known, groups=(*known.groups, group))
    possible = possible_flips(most_classes)
    several = len({each.data for each in images.values()}) > 1
    return Gallery(
        images=tuple(each if several else replace(each, data="") for each in images.values()),
        classes=tuple(Colour(name, colour) for name, colour in classes.items()),
        flips=tuple(
            Colour(f"{FLIP_NAMES[each]}: {FLIP_MEANINGS[each]}", _hex(FLIP_COLOURS[each])) for each in possible
        ),
        trainings=shown,
        of_trainings=len(families),
    )


def _families(report: ReportInput) -> Iterator[_Family]:
    """By their best variant, best first."""
    table = report.table
    done = table[(table["status"] == "FINISHED") & table["mean_iou"].notna()]
    labels = training_labels(table)
    rows: dict[str, list[tuple[str, RunRecord]]] = {}
    best: dict[str, float] = {}
    words: dict[str, tuple[str, str]] = {}
    for label, row in zip(labels[done.index], done.to_dict("records"), strict=True):
        run = report.runs.get(str(row["run_id"]))
        if run is None:
            continue
        baseline = run.tags.get(names.BASELINE_RUN_ID, run.run_id)
        kind = ", control" if row["training_kind"] == "finetune" else ""
        rows.setdefault(baseline, []).append((f"{row['quantization']}{kind}", run))
        if not kind:
            best[baseline] = max(best.get(baseline, 0.0), float(row["mean_iou"]))
        words.setdefault(baseline, (str(label), str(row["data"])))
    for baseline in sorted(rows, key=lambda each: -best.get(each, 0.0)):
        yield _Family(baseline, *words[baseline], tuple(rows[baseline][:MOST_VARIANTS]))


def _samples(report: ReportInput, run: RunRecord) -> Samples | None:
    if names.SAMPLES_FILE not in run.sha256:
        return None
    content = report.store.artifacts.read(run, names.SAMPLES_FILE)
    return read_samples(content) if content is not None else None


def _same_images(one: Samples, other: Samples) -> bool:
    """Whether both are of the same images."""
    return np.array_equal(one.images, other.images) and np.array_equal(one.truth, other.truth)


def _group(family: _Family, found: dict[str, Samples], compared: Samples | None, place: int) -> Group:
    tiles = []
    baseline = found.get(family.baseline) or compared
    for name, run in family.members:
        samples = found.get(run.run_id)
        if samples is None:
            continue
        mask = mask_uri(samples.predictions[place], samples.palette)
        words = _class_of(samples, samples.predictions[place])
        changed = None
        if baseline is not None and baseline is not samples:
            where = flips(samples.truth[place], baseline.predictions[place], samples.predictions[place])
            changed = mask_uri(where, _FLIP_PALETTE, clear=SAME)
            words += ("; " if words else "") + flip_words(where, samples.truth[place])
        tiles.append(Tile(name, mask, changed, words))
    return Group(family.name, tuple(tiles))


def flip_words(where: np.ndarray, truth: np.ndarray) -> str:
    """How many pixels flipped; of an image whose class is one, how it did."""
    if (truth == truth.flat[0]).all() and (where == where.flat[0]).all():
        return FLIP_NAMES.get(int(where.flat[0]), "unchanged")
    found = [f"{int((where == each).sum())} {FLIP_NAMES[each]}" for each in FLIP_NAMES if (where == each).any()]
    return f"{', '.join(found) or 'none'} of {int((truth != IGNORE).sum())} pixels"


def _class_of(samples: Samples, ids: np.ndarray) -> str:
    """The class of all of an image; empty where there are several."""
    first = int(ids.flat[0])
    return samples.classes[first] if first < len(samples.classes) and (ids == first).all() else ""


def _shown(number: int, index: int, data: str, samples: Samples, place: int) -> Shown:
    height, width, _ = samples.images[place].shape
    return Shown(
        number, index, data, photo_uri(samples.images[place]), mask_uri(samples.truth[place], samples.palette),
        _class_of(samples, samples.truth[place]), width, height, (),
    )  # fmt: skip


def _class_colours(samples: Samples) -> dict[str, str]:
    """Names and colours of the classes that occur."""
    present = np.union1d(np.unique(samples.truth), np.unique(samples.predictions)).tolist()
    found = {samples.classes[each]: _hex(samples.palette[each]) for each in present if each < len(samples.classes)}
    return found | ({"does not count": _hex(GREY)} if IGNORE in present else {})


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)
