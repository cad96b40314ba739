"""Makes `docs/quantization_quality.md`: what quantization loses, beside what the libraries give by themselves.

    python benchmarks/quantization_quality.py --work DIR [--output FILE] [--real-data DIR] [--sets NAME ...]

Every result is a file in the work folder, so a run that was ended at any moment goes on where it was; a result whose
settings have changed is made anew. `--sets` takes the beginnings of names. `--page-only` makes nothing new.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from quality_table import rows
from quality_table.comparisons import SetRows
from quality_table.measuring import measure, missing
from quality_table.page import page
from quality_table.planning import Plan, plan_of
from quality_table.weight_sets import WeightSet, weight_sets, write_data

from segsweep.config.keys import environment
from segsweep.errors import SegsweepError
from segsweep.tracking.store import Store

_ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measure what is missing, then write the page; 1 where something failed."""
    options = _options()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    work, real = options.work.resolve(), options.real_data.resolve() if options.real_data else None
    uri = f"sqlite:///{work}/mlruns/mlflow.db"
    sets = [each for each in weight_sets(real) if not options.sets or each.name.startswith(tuple(options.sets))]
    if not sets:
        known = ", ".join(each.name for each in weight_sets(real))
        print(f"no set is called {', '.join(options.sets)}; there are {known}", file=sys.stderr)
        return 2
    work.mkdir(parents=True, exist_ok=True)
    write_data(sets, work, real)
    started, failed = time.time(), []
    plans: list[Plan] = []
    for each in sets:
        try:
            plans.append(plan_of(each, work, real, uri))
        except SegsweepError as error:
            failed.append(f"{each.name}: {error}")
    if not options.page_only:
        failed += _measured(plans, work, real, uri, options.workers)
    minutes = (time.time() - started) / 60
    measured = [SetRows(plan.entry, _rows_of(plan, work)) for plan in plans]
    absent = [
        f"{plan.entry.name}: {', '.join(names)}" for plan in plans if (names := missing(plan, _folder(plan, work)))
    ]
    text = page(measured, _made(options, measured), absent)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(f"{len(measured)} sets in {minutes:.1f} min; wrote {options.output}")
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True, help="where results are kept")
    parser.add_argument("--output", type=Path, default=_ROOT / "docs" / "quantization_quality.md")
    parser.add_argument("--real-data", type=Path, help="folder with the real data; without it those sets are left out")
    parser.add_argument("--sets", nargs="+", default=[], help="beginnings of names; default: all")
    parser.add_argument("--workers", type=int, default=2, help="processes at once")
    parser.add_argument("--page-only", action="store_true", help="write the page from what is there")
    return parser.parse_args()


def _measured(plans: Sequence[Plan], work: Path, real: Path | None, uri: str, workers: int) -> list[str]:
    """Measure the sets with missing rows; returns what failed."""
    todo: list[WeightSet] = [plan.entry for plan in plans if missing(plan, _folder(plan, work))]
    if not todo:
        return []
    # The schema is made before workers start: several that race to create it fail.
    Store.open(uri, "quality")
    # Large networks take longest: first, so that no process is left alone with one in the end.
    todo.sort(key=lambda each: not each.is_depthwise)
    failed: list[str] = []
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = {pool.submit(measure, each, work, real, uri): each for each in todo}
        for number, job in enumerate(as_completed(jobs), start=1):
            name = jobs[job].name
            try:
                problems = job.result()
            except Exception as error:  # its process was killed
                problems = [f"{name}: {error}"]
            failed += problems
            print(f"{number}/{len(jobs)} {name}{': failed' if problems else ''}", flush=True)
    return failed


def _rows_of(plan: Plan, work: Path) -> dict[str, rows.Row]:
    keys = {**plan.keys, rows.STEP_TIMES: plan.keys[rows.QAT]}
    found = {name: rows.load(name, key, _folder(plan, work)) for name, key in keys.items()}
    return {name: row for name, row in found.items() if row is not None}


def _folder(plan: Plan, work: Path) -> Path:
    return work / "rows" / plan.entry.name


def _made(options: argparse.Namespace, measured: Sequence[SetRows]) -> dict[str, str]:
    """Date, machine, versions and command."""
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=_ROOT, capture_output=True, text=True)
    words = ["python", "benchmarks/quantization_quality.py", "--work", "DIR"]
    words += ["--real-data", "DIR"] if options.real_data else []
    words += ["--sets", *options.sets] if options.sets else []
    seconds = sum(row.facts.get("made_seconds", 0.0) for each in measured for row in each.rows.values())
    versions = {name: value for name, value in environment().items() if name != "system"}
    return {
        "Date": time.strftime("%Y-%m-%d"),
        "Machine": f"{os.cpu_count()} cores, {_cpu()}",
        "Versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "Revision": revision.stdout.strip() or "unknown",
        "Command": f"`{shlex.join(words)}`",
        "Time": f"{seconds / 60:.0f} minutes of all processes together, {options.workers} at once",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


if __name__ == "__main__":
    sys.exit(main())
