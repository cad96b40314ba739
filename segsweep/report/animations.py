"""The previews of trainings as animated GIFs, from the store alone."""

import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from segsweep.errors import SegsweepError, StoreError
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord, read_members
from segsweep.tracking.store import Store
from segsweep.whole_files import refuse_existing

_STRIP = 18
"""Height of the strip that says the epoch, in pixels."""
_MILLISECONDS, _LAST_MILLISECONDS = 400, 2000
"""How long each picture is shown, and the last."""


def trainings_of(store: Store, sweep: RunRecord) -> list[RunRecord]:
    """The finished trainings that a sweep made or found, each once, in the order of its members.

    Raises:
        StoreError: the sweep's list of members is missing.
    """
    content = store.artifacts.read(sweep, names.MEMBERS_FILE)
    if content is None:
        raise StoreError(f"sweep {sweep.run_id}: its {names.MEMBERS_FILE} is missing or damaged; run the sweep again")
    keys = dict.fromkeys(member.training_key for member in read_members(content))
    newest: dict[str, RunRecord] = {}
    for run in store.with_keys(names.TRAINING, names.TRAINING_KEY, keys.keys()):
        if run.is_finished:
            newest.setdefault(run.tags[names.TRAINING_KEY], run)
    return [newest[key] for key in keys if key in newest]


def write_animations(store: Store, sweep: RunRecord, folder: Path, *, force: bool = False) -> list[Path]:
    """Write a GIF for each training of a sweep into `folder`, which is made; return their paths.

    Trainings without previews are named on standard error.

    Raises:
        SegsweepError: none of them has any, one of the files exists and is not to be replaced (`force`), or the folder
            cannot be written.
    """
    runs = trainings_of(store, sweep)
    paths = [folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', run.name)}-{run.run_id[:8]}.gif" for run in runs]
    refuse_existing("--animations", paths, force=force)
    written = []
    for run, path in zip(runs, paths, strict=True):
        pictures = store.artifacts.images(run, names.PREVIEWS)
        if not pictures:
            print(f"segsweep: {run.name} ({run.run_id[:8]}) has no previews", file=sys.stderr)
            continue
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(animation(pictures))
            os.replace(temporary, path)
        except OSError as error:
            raise SegsweepError(
                f"--animations {folder}: {path.name} cannot be written ({error.strerror}); choose another place"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        written.append(path)
    if not written:
        raise SegsweepError(
            f"--animations {folder}: no training of sweep {sweep.run_id[:8]} has previews; they are logged while one "
            "trains with training.preview_images of 1 or more"
        )
    return written


def animation(pictures: Sequence[tuple[int, bytes]]) -> bytes:
    """A GIF of pictures (PNG) by epoch, each with its number on top, over and over."""
    frames = [_frame(epoch, content) for epoch, content in pictures]
    file = io.BytesIO()
    durations = [_MILLISECONDS] * (len(frames) - 1) + [_LAST_MILLISECONDS]
    frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return file.getvalue()


def _frame(epoch: int, content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as picture:
        frame = Image.new("RGB", (picture.width, picture.height + _STRIP), (255, 255, 255))
        frame.paste(picture, (0, _STRIP))
    ImageDraw.Draw(frame).text((2, 2), f"epoch {epoch}", fill=(0, 0, 0), font=ImageFont.load_default())
    return frame
