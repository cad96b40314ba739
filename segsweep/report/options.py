"""The options of `segsweep report`, checked before anything is read."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.command_line import parse, verb_parser
from segsweep.devices.profile import Device, load_device
from segsweep.errors import SegsweepError
from segsweep.report.formats.table import FORMATS

_MOST_DECIMALS = 10
_MAY_BEGIN_WITH_A_DASH = ("--sort", "--columns")

_EPILOG = """\
examples:
  segsweep report --where quantization=int8,qat_int8 --sort -mean_iou
  segsweep report --columns width,quantization,mean_iou,size_bytes --output table.tex
  segsweep report --columns=+agreement,+latency/p95_ms,-size_ratio --group-by width
  segsweep report --figures figures
"""


@dataclass(frozen=True)
class ReportOptions:
    """What `segsweep report` is asked to do."""

    tracking_uri: str
    experiment: str
    sweep: str | None
    """Run id of the sweep or its beginning; None for the last one."""
    format: str
    """A key of `FORMATS`."""
    output: Path | None
    force: bool
    columns: tuple[str, ...] | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    where: tuple[str, ...]
    """Conditions, as written."""
    sort: tuple[tuple[str, bool], ...]
    """Columns, each with whether the largest comes first."""
    group_by: tuple[str, ...]
    decimals: int | None
    figures: Path | None
    animations: Path | None
    device: Device | None
    """What the variants are to run on; None where that is not asked."""


def report_options(arguments: list[str]) -> ReportOptions:
    """The options on a command line.

    Raises:
        SegsweepError: they are wrong, or do not go together.
    """
    options = parse(_parser(), _joined(arguments))
    output = Path(options.output) if options.output is not None else None
    name = options.format or _format_of(output)
    if FORMATS[name].binary and output is None:
        raise SegsweepError(f"--format {name}: nothing for a terminal; add --output FILE{FORMATS[name].suffixes[0]}")
    chosen, added, removed = _column_choice(options.columns)
    decimals = options.decimals
    if decimals is not None and not 0 <= decimals <= _MOST_DECIMALS:
        raise SegsweepError(f"--decimals {decimals}: out of range; 0 to {_MOST_DECIMALS}")
    return ReportOptions(
        tracking_uri=options.tracking_uri,
        experiment=options.experiment,
        sweep=options.sweep,
        format=name,
        output=output,
        force=options.force,
        columns=chosen,
        added=added,
        removed=removed,
        where=tuple(options.where),
        sort=tuple((word.lstrip("-"), word.startswith("-")) for word in _words("--sort", options.sort)),
        group_by=_words("--group-by", options.group_by),
        decimals=decimals,
        figures=Path(options.figures) if options.figures is not None else None,
        animations=Path(options.animations) if options.animations is not None else None,
        device=load_device(options.device) if options.device is not None else None,
    )


def _parser() -> argparse.ArgumentParser:
    parser = verb_parser("report", "The comparison table of a sweep and its figures, from the store alone.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("--sweep", metavar="ID", help="run id of the sweep, or its beginning; default: the last one")
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="default: what the name of --output ends with, else md"
    )
    parser.add_argument("--output", metavar="FILE", help="write there instead of to standard output")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--columns", metavar="A,B", help="show these columns, metrics or settings; +A adds one to the usual, -A removes"
    )
    parser.add_argument(
        "--where", metavar="COLUMN=VALUE[,VALUE]", action="append", default=[],
        help="show only such rows; also with != < <= > >=, and more than once",
    )  # fmt: skip
    parser.add_argument(
        "--device", metavar="NAME", help="say of each variant whether it fits a known device, or a profile (NAME.yaml)"
    )
    parser.add_argument("--sort", metavar="A,-B", help="order of the rows: the smallest first, with - the largest")
    parser.add_argument("--group-by", metavar="A,B", help="part the rows by the values of these columns")
    parser.add_argument("--decimals", metavar="N", type=int, help="digits after the point of scores and differences")
    parser.add_argument(
        "--figures", metavar="DIR", help="also write there every plot, as SVG, PDF and PNG in two widths"
    )
    parser.add_argument(
        "--animations", metavar="DIR", help="also write there, for each training, what it predicted as an animated GIF"
    )
    return parser


def _joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--sort -size_bytes` as `--sort=-size_bytes`, which argparse would take for two options."""
    joined: list[str] = []
    for argument in arguments:
        before = joined[-1] if joined else ""
        if before in _MAY_BEGIN_WITH_A_DASH and argument.startswith("-") and not argument.startswith("--"):
            joined[-1] = f"{before}={argument}"
        else:
            joined.append(argument)
    return joined


def _format_of(output: Path | None) -> str:
    """The format that a file's name asks for; Markdown where it asks for none."""
    if output is None or not output.suffix:
        return "md"
    found = next((name for name, each in FORMATS.items() if output.suffix.lower() in each.suffixes), None)
    if found is None:
        known = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
        raise SegsweepError(
            f"--output {output}: {output.suffix} says no format; name it with --format, or end the name with {known}"
        )
    return found


def _column_choice(text: str | None) -> tuple[tuple[str, ...] | None, tuple[str, ...], tuple[str, ...]]:
    """The columns to show, those to add and those to remove."""
    if text is None:
        return None, (), ()
    words = _words("--columns", text)
    signed = [word for word in words if word[0] in "+-"]
    if signed and len(signed) < len(words):
        raise SegsweepError(
            f"--columns {text}: either the columns to show, or each with + or - to change the usual ones"
        )
    if not signed:
        return words, (), ()
    added = tuple(word[1:] for word in words if word[0] == "+")
    return None, added, tuple(word[1:] for word in words if word[0] == "-")


def _words(option: str, text: str | None) -> tuple[str, ...]:
    """The words of a list with commas; each once."""
    words = [word.strip() for word in text.split(",")] if text is not None else []
    if any(not word.strip("+-") for word in words):
        raise SegsweepError(f"{option} {text}: an empty name; write names with a comma between them")
    names = [word.lstrip("+-") for word in words]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SegsweepError(f"{option} {text}: {twice} is there twice; once is enough")
    return tuple(words)
