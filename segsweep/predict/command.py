"""`segsweep predict`: from the words on the command line to a request, and from messages to what is shown.

Imports nothing heavy: the worker process does.
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from segsweep.errors import SegsweepError
from segsweep.predict.input_paths import input_paths
from segsweep.predict.model_options import add_model_options, integers, numbers, words
from segsweep.predict.request import COMBINATIONS, PRODUCTS, Request
from segsweep.predict.showing import Showing
from segsweep.predict.supervision import supervised

_MODEL = ".tflite"
_LARGEST_OVERLAP = 0.75
_DESCRIPTION = """\
Map images or whole scenes with an exported .tflite file, or with several as an ensemble (those that end in .tflite).
Writes NAME_ids.png (or .tif for GeoTIFF) and what else is asked for, and areas.csv.
"""


def predict(arguments: Sequence[str]) -> int:
    """Does what the words say; returns the exit status.

    Raises:
        SegsweepError: something is wrong with them, or with what they name.
    """
    options = _parser().parse_args(arguments)
    models = [*(options.model or []), *(word for word in options.words if word.lower().endswith(_MODEL))]
    inputs = [word for word in options.words if not word.lower().endswith(_MODEL)]
    if not models:
        raise SegsweepError(f"no model among the words; give a {_MODEL} file, or --model FILE for one of another name")
    if not inputs:
        raise SegsweepError("no image among the words; give image files, a folder, or a pattern in quotes")
    _check(options, len(models))
    paths = input_paths(inputs)
    output = Path(options.output)
    with _folders(output) as staging:
        request = Request(
            models=tuple(models),
            inputs=tuple(map(str, paths)),
            output=str(output),
            staging=str(staging),
            write=tuple(options.write),
            overlap=options.overlap,
            tta=options.tta,
            whole=options.whole,
            combine=options.combine,
            weights=tuple(options.weights),
            channels=tuple(options.channels),
            nodata=options.nodata,
            scale=options.scale,
            mean=tuple(options.mean),
            std=tuple(options.std),
            classes=tuple(options.classes),
            threads=options.threads,
            force=options.force,
        )
        with Showing(sys.stderr) as showing:
            supervised(request, showing.message, options.timeout)
    return 0


def _check(options: argparse.Namespace, models: int) -> None:
    """Raises SegsweepError for values that cannot be meant."""
    if not 0 <= options.overlap <= _LARGEST_OVERLAP:
        raise SegsweepError(f"--overlap {options.overlap:g}: a share of a tile's side from 0 to {_LARGEST_OVERLAP}")
    if options.weights and len(options.weights) != models:
        raise SegsweepError(f"--weights has {len(options.weights)} numbers, and there are {models} models")
    if options.weights and not (all(0 <= each < float("inf") for each in options.weights) and sum(options.weights)):
        raise SegsweepError("--weights: numbers from 0 on, of which one at least is larger")
    if options.scale is not None and not 0 < options.scale < float("inf"):
        raise SegsweepError(f"--scale {options.scale:g}: a number greater than 0")
    if not options.timeout > 0:
        raise SegsweepError(f"--timeout {options.timeout:g}: seconds, more than 0")
    if options.threads < 0:
        raise SegsweepError(f"--threads {options.threads}: a number from 1 on, or 0 for all cores")
    unknown = [each for each in options.write if each not in PRODUCTS]
    if unknown or not options.write or len(set(options.write)) < len(options.write):
        raise SegsweepError(f"--write {','.join(options.write)}: some of {', '.join(PRODUCTS)}, each once")


@contextlib.contextmanager
def _folders(output: Path) -> Iterator[Path]:
    """The output folder made where there is none, and one within it for what is being made, which goes in the end."""
    made = [folder for folder in (output, *output.parents) if not folder.exists()]
    try:
        output.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".segsweep-", dir=output))
    except OSError as error:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise SegsweepError(
            f"--output {output}: cannot be written to ({error.strerror}); choose another folder"
        ) from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in made:
            # Only where nothing was put into it.
            with contextlib.suppress(OSError):
                folder.rmdir()


class _Parser(argparse.ArgumentParser):
    """Complains as all of segsweep does."""

    def error(self, message: str) -> Any:
        raise SegsweepError(f"{message}, after segsweep predict; see segsweep predict --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="segsweep predict", description=_DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add("words", nargs="*", metavar="MODEL.tflite... INPUT...", help="models; images, folders, or patterns in quotes")
    add("--output", metavar="DIR", required=True, help="the folder for what is made")
    add("--model", metavar="FILE", action="append", help="a model whose name does not end in .tflite")
    add("--write", metavar="KINDS", type=words, default=["ids"], help=f"some of {','.join(PRODUCTS)}; default: ids")
    add("--force", action="store_true", help="replace files that exist")
    add(
        "--overlap", type=float, default=0.25, metavar="SHARE", help="of a tile's side, 0 to 0.75; default: %(default)s"
    )
    add("--tta", action="store_true", help="predict each tile in its eight right-angle orientations, and take the mean")
    add("--whole", action="store_true", help="bring each image to the model's size, and its map back: no tiles")
    add("--combine", choices=COMBINATIONS, default="mean", help="several models: default: %(default)s")
    add("--weights", metavar="W,W", type=numbers, default=[], help="of the models; default: all alike")
    add("--channels", metavar="I,I", type=integers, default=[], help="the bands of the images to use, from 0, in order")
    add("--nodata", metavar="VALUE", type=float, help="what pixels without data have, where the images do not say it")
    add_model_options(parser)
    add("--threads", type=int, default=0, metavar="N", help="tiles predicted at a time; default: as many as cores")
    add("--timeout", type=float, default=120.0, metavar="SECONDS", help="a model silent for longer is given up; 120")
    return parser
