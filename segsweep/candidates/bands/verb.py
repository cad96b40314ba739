"""`segsweep bands`: its options, and what it does."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from segsweep.candidates.options import add_run_options, positive, progress
from segsweep.command_line import parse, verb_parser
from segsweep.config.schema import JobConfig
from segsweep.errors import ConfigError
from segsweep.quiet import quiet
from segsweep.whole_files import refuse_unwritable, write_whole

_DESCRIPTION = """\
Say what the int8 input, which has one scale for all bands, leaves of each: its range before and after normalization,
how many of its values are clipped, how many bits it has. Then make the file again from the same weights with the input
clipped, with rescaled bands, and both, and score each on validation images. Kept on the run as bands/bands.*"""
_STEM = "bands/bands"


def bands(arguments: list[str], compose: Callable[[Sequence[str]], JobConfig]) -> int:
    """Run the verb; return the exit status. `compose` makes settings of overrides."""
    parser = verb_parser("bands", _DESCRIPTION)
    add_run_options(parser)
    parser.add_argument(
        "--percentile", type=float, default=None, metavar="P",
        help="percent of the values that clipping keeps; default: quantization.calibration.percentile of the run",
    )  # fmt: skip
    parser.add_argument(
        "--least-bits", type=float, default=3.0, metavar="B", help="a band with fewer is lost; default: %(default)g"
    )
    parser.add_argument(
        "--test", action="store_true",
        help="look at the bands of the test images too, and score the better file on them once",
    )  # fmt: skip
    parser.add_argument("--output", metavar="FILE", help="write the better int8 file there")
    parser.add_argument("--force", action="store_true", help="replace the file that is there")
    options = parse(parser, arguments)
    positive("--images", options.images)
    if options.percentile is not None and not 50 <= options.percentile < 100:
        raise ConfigError(f"--percentile {options.percentile:g}: must be at least 50 and below 100")
    if not 0 <= options.least_bits <= 8:
        raise ConfigError(f"--least-bits {options.least_bits:g}: must be 0 to 8")
    output = None if options.output is None else Path(options.output)
    if output is not None:
        refuse_unwritable("--output", output, force=options.force)

    from segsweep.candidates.bands.advice import advice
    from segsweep.candidates.bands.audit import audit
    from segsweep.candidates.bands.claimed import claimed_text
    from segsweep.candidates.bands.table import bands_csv, bands_figure, bands_json, bands_text, files_text
    from segsweep.candidates.problem import DEFAULT_IMAGES
    from segsweep.candidates.source import source_of
    from segsweep.report.figures.rendering import render

    source = source_of(options, compose)
    if output is not None and source.metadata is None:
        raise ConfigError(
            f"--output {output}: {options.run} does not say how its images are normalized, so a file with other input "
            "could not either; leave --output out"
        )
    images = options.images or DEFAULT_IMAGES
    percentile = options.percentile or source.config.quantization.calibration.percentile
    with quiet(Path(os.devnull)):
        problem = source.problem(images)
    with progress("trying inputs") as on_file:
        found = audit(
            source, problem, images=images, percentile=percentile, least_bits=options.least_bits,
            test=options.test, on_file=on_file,
        )  # fmt: skip
    words = advice(found, source.config, options.metric, writable=source.metadata is not None)
    parts = [bands_text(found, options.metric), files_text(found, options.metric), words]
    if options.test:
        parts.append(claimed_text(found, source, options.metric))
    text = "\n".join(parts)
    print(text, end="")
    if output is not None:
        best = found.best(options.metric)
        write_whole("--output", output, best.file.content)
        print(f"{output}: {best.name}.")
    if source.store is not None and source.run is not None:
        files = {
            ".md": text.encode(),
            ".csv": bands_csv(found),
            ".json": bands_json(found, options.metric),
            ".png": render(bands_figure(found, options.metric), "png", dots=150),
        }
        source.store.upload(source.run.run_id, {f"{_STEM}{kind}": content for kind, content in files.items()})
        print(f"Kept on run {source.run.run_id} as {_STEM}.md, .csv, .json and .png.")
    return 0
