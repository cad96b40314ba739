"""A folder with all that is needed to use a variant elsewhere: the file, its labels, a model card and an example."""

import os
import shutil
import tempfile
from pathlib import Path

from segsweep.choosing.candidates import METRICS, TEST, Candidate
from segsweep.choosing.differences import Differences
from segsweep.choosing.example import example
from segsweep.choosing.model_card import CardInput, model_card
from segsweep.errors import SegsweepError, StoreError
from segsweep.quiet import quiet
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import read
from segsweep.tracking import names
from segsweep.tracking.mlmodel import image_shape_of
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store
from segsweep.whole_files import refuse_existing

OPTION = "--export"
FILES = ("model.tflite", "labels.txt", "README.md", "predict.py")


def refuse_export(folder: Path, *, force: bool) -> None:
    """Complain of a folder that cannot be written to, or that has files in it which are not to be replaced.

    Raises:
        SegsweepError: so it is.
    """
    if folder.exists() and not folder.is_dir():
        raise SegsweepError(f"{OPTION} {folder}: is a file; name a folder")
    refuse_existing(OPTION, [folder / name for name in FILES], force=force)
    if folder.exists() and any(folder.iterdir()) and not force:
        raise SegsweepError(
            f"{OPTION} {folder}: the folder is not empty; name another, or give --force to add these files to it"
        )
    parent = next(each for each in [folder, *folder.absolute().parents] if each.exists())
    if not os.access(parent, os.W_OK):
        raise SegsweepError(f"{OPTION} {folder}: {parent} cannot be written; choose another place")


def export(store: Store, candidate: Candidate, folder: Path, why: str) -> list[Path]:
    """Write `FILES` into a folder, which is made; return their paths. All are there at the end, or none is new.

    Raises:
        SegsweepError: the file is missing from the store or damaged, or the folder cannot be written.
    """
    contents = _contents(store, candidate, why)
    parent = folder.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
        try:
            for name, content in contents.items():
                (temporary / name).write_bytes(content)
            temporary.chmod(0o755)
            if folder.exists() and any(folder.iterdir()):
                # What else is in it is not ours.
                for name in contents:
                    os.replace(temporary / name, folder / name)
            else:
                os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise SegsweepError(f"{OPTION} {folder}: cannot be written ({error.strerror}); choose another place") from error
    return [folder / name for name in contents]


def _contents(store: Store, candidate: Candidate, why: str) -> dict[str, bytes]:
    run = candidate.run
    model = store.artifacts.read(run, names.MODEL_FILE)
    if model is None:
        raise StoreError(f"run {run.run_id}: its {names.MODEL_FILE} is missing or damaged; run the sweep again")
    metadata = read(model)
    if metadata is None:
        raise StoreError(f"run {run.run_id}: its {names.MODEL_FILE} has no metadata; run the sweep again")
    with quiet(Path(os.devnull)):
        loaded = TFLiteModel(model)
    shape = loaded.input_shape
    counts = Differences(store, METRICS["mean_iou"], TEST).counts(candidate)
    size, by_pixel = _image_size(store, run, shape), loaded.output_size == shape[:2]
    texts = {
        "labels.txt": "".join(f"{' '.join(name.split())}\n" for name in metadata.classes),
        "README.md": model_card(CardInput(candidate, metadata, counts, shape, by_pixel, why)),
        "predict.py": example(metadata, loaded, size, resized=_is_resized(run.params)),
    }
    return {"model.tflite": model, **{name: text.encode() for name, text in texts.items()}}


def _image_size(store: Store, run: RunRecord, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of an image before it is padded to the file's input; for an older run, those of the input."""
    description = store.artifacts.read(run, names.MLMODEL_FILE)
    height, width, _ = image_shape_of(description) if description is not None else shape
    return height, width


def _is_resized(params: dict[str, str]) -> bool:
    """Whether pictures of any size were scaled to the size of an image."""
    unset = (None, "None")
    return (
        params.get("data.fit") == "resize"
        and params.get("data.size") not in unset
        and params.get("data.patch.size") in unset
    )
