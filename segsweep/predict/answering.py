"""What the worker process does with a request: check all of it, map scene after scene, give each away when whole."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from segsweep.data.orientation import turned_remark
from segsweep.data.parallel import cores
from segsweep.errors import DataError, SegsweepError
from segsweep.predict.adapted_readers import suited
from segsweep.predict.areas import Areas, write_areas
from segsweep.predict.ensemble import Ensemble
from segsweep.predict.map_files import map_suffix
from segsweep.predict.mapping import Mapper, Settings
from segsweep.predict.member import Member, load_member, require_agreement
from segsweep.predict.orientations import AS_IT_IS, orientations
from segsweep.predict.request import PICTURES, Request
from segsweep.predict.scene import Scene
from segsweep.predict.scenes import scenes_in
from segsweep.predict.tiling import positions

AREAS_FILE = "areas.csv"


class Told(Protocol):
    """Who is told how far it is."""

    def say(self, **message: object) -> None: ...

    def stage(self, name: str) -> None: ...

    def tiles(self, more: int) -> None: ...


def answer(request: Request, told: Told) -> None:
    """Does what is asked.

    Raises:
        SegsweepError: something in the request is wrong. Maps that were finished before stay, whole, with their areas.
    """
    told.stage("loading")
    members = [load_member(Path(model), request) for model in request.models]
    require_agreement(members)
    told.stage("reading")
    bands = members[0].shape[2]
    staging, output = Path(request.staging), Path(request.output)
    nodata = nodata_of(members, request)
    # What was named with --channels is a band, as in the training what data.channels names.
    is_band = bool(request.channels) or any(member.alpha_is_band for member in members)
    found_scenes = [each for path in request.inputs for each in scenes_in(Path(path), bands, nodata, staging, is_band)]
    scenes = [suited(scene, members, request) for scene in found_scenes]
    used = [tuple(channels_of(member, scene, request) for member in members) for scene in scenes]
    _require_new(scenes, request, output)
    if len(scenes) > 1:
        _require_whole(scenes)
    turned = turned_remark(sum(scene.turned for scene in scenes), len(scenes))
    for note in (*turned, *dict.fromkeys(note for scene in scenes for note in scene.notes)):
        told.say(note=note)
    ensemble = _ensemble(members, request)
    tiles = [1 if request.whole else _tiles(scene, ensemble, request.overlap) for scene in scenes]
    told.say(total=sum(tiles), scenes=len(scenes))
    settings = Settings(
        ensemble=ensemble,
        write=request.write,
        overlap=request.overlap,
        whole=request.whole,
        scale=request.scale or 1.0,
        threads=request.threads or cores(),
        staging=staging,
    )
    mapper = Mapper(settings, told.stage, told.tiles)
    mapper.warm_up(sum(tiles))
    found: list[Areas] = []
    try:
        for scene, mapped in zip(scenes, mapper.map_all(scenes, used), strict=True):
            is_empty = not mapped.areas.pixels.any()
            if is_empty and len(scenes) == 1:
                raise DataError(f"{scene.path}: no pixel has data, so there is nothing to map")
            files = _published(mapped.files.values(), output)
            found.append(mapped.areas)
            if is_empty:
                told.say(note=f"{scene.path}: no pixel has data, so its maps have none either")
            told.say(scene=scene.name, files=files, shares=dict(zip(mapped.areas.classes, mapped.areas.shares)))
    except Exception:
        if found:
            with contextlib.suppress(OSError):  # of which the one that is told may be the reason
                _write_areas(found, staging, output)
        raise
    finally:
        mapper.close()
    told.say(areas=_write_areas(found, staging, output), invoke_seconds=mapper.invoke_seconds)


def nodata_of(members: Sequence[Member], request: Request) -> float | None:
    """The value that is no data where scenes do not say so: that of the request, else that of the models' training.

    Raises:
        SegsweepError: the models are of different ones.
    """
    if request.nodata is not None:
        return request.nodata
    known = {member.nodata: member.path for member in members}
    if len(known) > 1:
        (one, path), (other, twin) = list(known.items())[:2]
        raise SegsweepError(
            f"{path} was trained with data.nodata={one} and {twin} with data.nodata={other}; say with --nodata which "
            "value is no data"
        )
    return next(iter(known))


def channels_of(member: Member, scene: Scene, request: Request) -> tuple[int, ...]:
    """Which bands of the scene the model takes, in its order.

    Raises:
        DataError: that is not clear, or they are of another type than those it was trained on.
    """
    channels = _chosen(member, scene, request) if request.channels else _found(member, scene)
    _require_type(member, scene, request)
    return channels


def _chosen(member: Member, scene: Scene, request: Request) -> tuple[int, ...]:
    wanted = member.shape[2]
    wrong = [channel for channel in request.channels if not 0 <= channel < scene.bands]
    if wrong:
        raise DataError(
            f"{scene.path}: has {_counted(scene.bands)}, counted from 0, and --channels names number {wrong[0]}"
        )
    if len(request.channels) != wanted:
        raise DataError(
            f"--channels names {_counted(len(request.channels))}, and {member.path} takes {wanted}{_named(member)}"
        )
    return request.channels


def _found(member: Member, scene: Scene) -> tuple[int, ...]:
    """By their names, where the scene names those that the model takes; else all, if there are as many."""
    wanted = member.shape[2]
    if member.bands and set(member.bands) <= set(scene.band_names):
        return tuple(map(scene.band_names.index, member.bands))
    if scene.bands != wanted:
        raise DataError(
            f"{scene.path}: has {_counted(scene.bands)}, and {member.path} takes {wanted}{_named(member)}; "
            "choose with --channels, counted from 0"
        )
    return tuple(range(wanted))


def _counted(bands: int) -> str:
    return "1 band" if bands == 1 else f"{bands} bands"


def _named(member: Member) -> str:
    return f" ({', '.join(member.bands)})" if member.bands else ""


def _require_type(member: Member, scene: Scene, request: Request) -> None:
    if not member.dtype or request.scale is not None:
        return
    trained, given = np.dtype(member.dtype), np.dtype(scene.dtype)
    alike = trained.kind == given.kind == "f" or (trained.kind in "ui" and given.kind in "ui")
    if not alike or (trained.kind != "f" and trained.itemsize != given.itemsize):
        raise DataError(
            f"{scene.path}: its pixels are {given.name}, and {member.path} was trained on {trained.name}; convert it, "
            "or say with --scale what makes its values those of the training (--scale 1: they are)"
        )


def _ensemble(members: Sequence[Member], request: Request) -> Ensemble:
    weights = np.array(request.weights or [1] * len(members), np.float32)
    turned = orientations(members[0].shape[0] == members[0].shape[1]) if request.tta else (AS_IT_IS,)
    return Ensemble(tuple(members), weights / weights.sum(), request.combine == "vote", turned)


def _tiles(scene: Scene, ensemble: Ensemble, overlap: float) -> int:
    counts = [
        len(positions(length, tile, round(tile * overlap)))
        for length, tile in zip((scene.height, scene.width), ensemble.tile, strict=True)
    ]
    return counts[0] * counts[1]


def _require_new(scenes: Sequence[Scene], request: Request, output: Path) -> None:
    """Raises SegsweepError where two outputs have one name, or one exists."""
    names = [f"{scene.name}_{product}{map_suffix(scene, product)}" for scene in scenes for product in request.write]
    names.append(AREAS_FILE)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"{output / name}: two scenes would be written there; rename one of the inputs")
        seen.add(name)
        if (output / name).exists() and not request.force:
            raise SegsweepError(f"{output / name}: exists; choose another --output, or replace it with --force")


def _require_whole(scenes: Sequence[Scene]) -> None:
    """Raises DataError for a picture that is truncated, before any other is mapped; a raster's head tells it."""
    for scene in scenes:
        if scene.path.suffix.lower() in PICTURES:
            with scene.opened():
                pass


def _write_areas(found: Sequence[Areas], staging: Path, output: Path) -> str:
    write_areas(staging / AREAS_FILE, found)
    return _published([staging / AREAS_FILE], output)[0]


def _published(files: Iterable[Path], output: Path) -> list[str]:
    """Moves what is whole to where it is to be."""
    targets = []
    for file in files:
        os.replace(file, output / file.name)
        targets.append(str(output / file.name))
    return targets
