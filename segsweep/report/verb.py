"""`segsweep report`: from the store to tables and pictures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from segsweep.errors import SegsweepError
from segsweep.report.formats.table import FORMATS
from segsweep.report.options import ReportOptions, report_options
from segsweep.whole_files import refuse_existing, write_whole

if TYPE_CHECKING:
    from segsweep.report.formats.report_input import ReportInput


def report(arguments: list[str]) -> int:
    """Run the verb; return the exit status."""
    options = report_options(arguments)
    if options.output is not None:
        refuse_existing("--output", [options.output], force=options.force)
        if not options.output.parent.is_dir():
            raise SegsweepError(
                f"--output {options.output}: there is no folder {options.output.parent}; make it or choose another"
            )
    if options.figures is not None:
        from segsweep.report.figures.files import figure_paths

        refuse_existing("--figures", figure_paths(options.figures), force=options.force)
    found = _report_input(options)
    content = FORMATS[options.format].write(found)
    if options.animations is not None:
        from segsweep.report.animations import write_animations

        # Before the figures: it is refused where there are none, or where they may not be replaced.
        for path in write_animations(found.store, found.sweep, options.animations, force=options.force):
            print(f"segsweep: {path}", file=sys.stderr)
    if options.figures is not None:
        from segsweep.report.figures.files import write_figures

        written = write_figures(found, options.figures)
        print(f"segsweep: {len(written)} figures in {options.figures}", file=sys.stderr)
    if options.output is not None:
        write_whole("--output", options.output, content)
    else:
        print(content, end="")
    return 0


def _report_input(options: ReportOptions) -> ReportInput:
    """The rows and columns that are asked for, in the order that is asked for."""
    from segsweep.report.comparison import compare, find_sweep
    from segsweep.report.device_fit import COLUMN, footprints, with_remarks, with_verdicts
    from segsweep.report.formats.report_input import ReportInput, View
    from segsweep.report.selection import chosen_rows, parse_condition, sorted_rows, with_columns
    from segsweep.tracking.store import Store

    conditions = [parse_condition(text) for text in options.where]
    store = Store.open_to_read(options.tracking_uri, options.experiment)
    sweep = find_sweep(store, options.sweep)
    found = compare(store, sweep)
    wanted = [
        *(("--columns", name) for name in (*(options.columns or ()), *options.added, *options.removed)),
        *((f"--where {condition.written}:", condition.column) for condition in conditions),
        *(("--sort", name) for name, _ in options.sort),
        *(("--group-by", name) for name in options.group_by),
    ]
    table, added = found.table, options.added
    if options.device is not None:
        asked = footprints(table, found.runs, store)
        table, added = with_verdicts(table, asked, options.device), (*added, COLUMN)
    table = with_columns(table, found.runs, wanted)
    table = sorted_rows(chosen_rows(table, conditions), options.sort, options.group_by)
    if options.device is not None:
        table = with_remarks(table, asked, found.runs, options.device)
    view = View(options.columns, added, options.removed, options.group_by, options.decimals)
    return ReportInput(table, found.runs, store, sweep, view)
