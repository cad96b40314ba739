"""What stands on the pages of a sweep and of its trainings in the MLflow UI: table, plot, and links to the variants."""

import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

import pandas as pd

from segsweep.report.comparison import Comparison
from segsweep.tracking import names
from segsweep.tracking.notes import is_ours, link, note_tags
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

_LONGEST = 7800
"""Characters of a description; MLflow takes 8,000."""
_FIRST = ("quantization", "mean_iou", "delta_mean_iou", "accuracy", "size_bytes", "latency_p50_ms")
_TUNED = "Fine-tuned from it"
_HEAD = (
    "| variant | &nbsp; mean IoU | &nbsp; Δ mean IoU | &nbsp; KiB | &nbsp; ms |\n| --- | ---: | ---: | ---: | ---: |\n"
)
"""With room between the columns, which the UI leaves out."""


def table_file(table: pd.DataFrame) -> bytes:
    """The comparison as the MLflow UI shows a table: columns, and rows as lists; null where there is no number.

    What is the same in all rows is left out, what one looks for stands first, and numbers have as many digits as one
    can compare.
    """
    varying = [name for name in table.columns if table[name].nunique(dropna=False) > 1]
    columns = dict.fromkeys([*(name for name in _FIRST if name in table.columns), *varying])
    plain = json.loads(table[list(columns)].to_json(orient="split", index=False, double_precision=5))
    return json.dumps({"columns": plain["columns"], "data": plain["data"]}).encode()


def describe(store: Store, sweep: RunRecord, comparison: Comparison, trainings: Sequence[RunRecord]) -> None:
    """Write the descriptions of a sweep and of its `trainings`, as far as nobody has edited them."""
    tables = {names.TABLES: json.dumps([{"path": names.TABLE_FILE, "type": "table"}])}
    note = note_tags(_sweep_note(store, sweep, comparison)) if is_ours(sweep) else {}
    store.log(sweep.run_id, tags={**tables, **note})
    by_parent: dict[str, list[RunRecord]] = {}
    for run in [*comparison.runs.values(), *trainings]:
        by_parent.setdefault(run.tags.get(names.PARENT_RUN, ""), []).append(run)
    for training in trainings:
        note = note_tags(_training_note(store, training, by_parent.get(training.run_id, [])))
        if is_ours(training) and training.tags.get(names.NOTE_HASH) != note[names.NOTE_HASH]:
            store.log(training.run_id, tags=note)


def _sweep_note(store: Store, sweep: RunRecord, comparison: Comparison) -> str:
    """The sweep in a sentence, where to look, the plot, and as much of the table as fits, the best first."""
    experiment = store.experiment_id
    finished = [run for run in comparison.runs.values() if run.is_finished and names.MEAN_IOU in run.metrics]
    finished.sort(key=lambda run: -run.metrics[names.MEAN_IOU])
    missing = len(comparison.table) - int((comparison.table["status"] == "FINISHED").sum())
    lines = [f"{len(comparison.table)} variants{f', of which {missing} are not finished' if missing else ''}."]
    best = next((run for run in finished if run.tags.get(names.TRAINING_KIND) != "finetune"), None)
    if best is not None:
        lines[0] += f" The highest test mean IoU is {best.metrics[names.MEAN_IOU]:.4f}, of {_link(experiment, best)}."
    places = {"the whole table": names.TABLE_FILE, "learning curves": names.CURVES_FILE}
    links = [link(experiment, sweep.run_id, text, f"/artifacts/{path}") for text, path in places.items()]
    lines[0] += f" See also {', '.join(links)}."
    picture = f"get-artifact?path={quote(names.SMALL_PLOT_FILE, safe='')}&run_uuid={sweep.run_id}"
    lines.append(f"![Mean IoU against file size]({picture})")
    text = "\n\n".join(lines) + "\n\n"
    return text + _table(experiment, finished, _LONGEST - len(text))


def _training_note(store: Store, training: RunRecord, children: Iterable[RunRecord]) -> str:
    """What it was before, and what was made of it: its variants, and the fine-tunes that started from it."""
    experiment = store.experiment_id
    before = training.tags.get(names.NOTE, "").partition("\n\n")[0]
    if before.startswith((_TUNED, _HEAD[:9])):
        # A run of an older version, which had no description before it was given this one.
        before = ""
    children = list(children)
    variants = [run for run in children if run.kind == names.VARIANT and names.MEAN_IOU in run.metrics]
    tunes = [_link(experiment, run) for run in children if run.kind == names.TRAINING]
    parts = [before] if before else []
    parts += [f"{_TUNED}: {', '.join(tunes)}."] if tunes else []
    text = "\n\n".join(parts) + "\n\n"
    return (text + _table(experiment, variants, _LONGEST - len(text))).strip()


def _table(experiment: str, runs: Sequence[RunRecord], room: int) -> str:
    """A Markdown table of variants, of as many of them as there is room for in so many characters."""
    rows: list[str] = []
    used = len(_HEAD) + 100
    for run in runs:
        row = _row(experiment, run, run.metrics)
        used += len(row)
        if used > room:
            break
        rows.append(row)
    more = f"\n{len(runs) - len(rows)} more stand in the whole table.\n" if len(rows) < len(runs) else ""
    return _HEAD + "".join(rows) + more if rows else ""


def _row(experiment: str, run: RunRecord, metrics: Mapping[str, float]) -> str:
    """A variant's row; empty cells for what is not known."""

    def cell(name: str, form: str, unit: float = 1) -> str:
        return form.format(metrics[name] / unit) if name in metrics else ""

    own = run.tags.get(names.BASELINE_RUN_ID) == run.run_id
    cells = [
        _link(experiment, run),
        cell(names.MEAN_IOU, "{:.4f}"),
        "" if own else cell(names.DELTA_MEAN_IOU, "{:+.4f}"),
        cell(names.SIZE_BYTES, "{:.1f}", 1024),
        cell(names.LATENCY_P50, "{:.2f}"),
    ]
    return f"| {' | '.join(cells)} |\n"


def _link(experiment: str, run: RunRecord) -> str:
    return link(experiment, run.run_id, run.name)
