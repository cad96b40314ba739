"""`segsweep report`: its options, and what they do."""

import sys
from pathlib import Path

from segsweep.command_line import parse, verb_parser
from segsweep.whole_files import refuse_existing, write_whole


def report(arguments: list[str]) -> int:
    """Run the verb; return the exit status."""
    parser = verb_parser("report", "Print the comparison table of a sweep, from the store alone.")
    parser.add_argument("--sweep", metavar="ID", help="run id of the sweep, or its beginning; default: the last one")
    parser.add_argument("--format", choices=("md", "csv", "json"), default="md", help="default: %(default)s")
    parser.add_argument("--output", metavar="FILE", help="write there instead of to standard output")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    parser.add_argument(
        "--animations", metavar="DIR", help="also write there, for each training, what it predicted as an animated GIF"
    )
    options = parse(parser, arguments)
    if options.output:
        refuse_existing("--output", [Path(options.output)], force=options.force)

    from segsweep.report.comparison import compare, find_sweep
    from segsweep.report.formats.report_input import ReportInput
    from segsweep.report.formats.table import FORMATS
    from segsweep.tracking.store import Store

    store = Store.open_to_read(options.tracking_uri, options.experiment)
    sweep = find_sweep(store, options.sweep)
    found = compare(store, sweep)
    content = FORMATS[options.format].write(ReportInput(found.table, found.runs, store, sweep))
    if options.animations:
        from segsweep.report.animations import write_animations

        for path in write_animations(store, sweep, Path(options.animations)):
            print(f"segsweep: {path}", file=sys.stderr)
    if options.output:
        write_whole("--output", Path(options.output), content)
    else:
        print(content, end="")
    return 0
