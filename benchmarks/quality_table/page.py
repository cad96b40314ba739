"""The page: what was measured, as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from quality_table import rows
from quality_table.aims import AIMS, points
from quality_table.comparisons import Difference, SetRows, differences
from quality_table.weight_sets import LEAST_GROUPS

Sets = Sequence[SetRows]

_INTRODUCTION = f"""\
# Quality of quantized files

What is lost by quantization, file by file, beside what the libraries give by themselves. Made by
`benchmarks/quantization_quality.py`: every file is scored by one evaluator, on the same test images, in the LiteRT
interpreter. Scores are mean IoU; differences are in points of mean IoU, on the test images.

- Every set of weights is a float training of its own. All post-training files of a set are calibrated on the same 64
  training images (or all, where there are fewer).
- In square brackets is the paired 95 % interval over independent groups of test images
  (`segsweep.evaluation.bootstrap.paired_interval`). A set with fewer than {LEAST_GROUPS} groups has none.
- **Bold**: beyond noise after Holm's correction over the sets of the column.
- The fine-tunes of a set, quantization-aware or float, have the same number of epochs, batches, augmentation and
  learning rate, those of the stock toolkit included; validation images choose the epoch. The stock toolkit is
  `tfmot.quantization.keras.quantize_model` of the float network with its batch norms.
- The seeds of networks and data are not those on which defaults were chosen.
"""


def page(sets: Sets, made: Mapping[str, str], missing: Sequence[str]) -> str:
    """The whole page.

    Args:
        sets: what was measured, in the order of the page.
        made: date, machine, versions and command, by what to call them.
        missing: rows that are not there, a line each.
    """
    parts = [_INTRODUCTION, "\n".join(f"{name}: {value}  " for name, value in made.items()), ""]
    if missing:
        parts += ["**Incomplete.** Not measured:", "", *(f"- {line}" for line in missing), ""]
    parts += ["## Aims", "", *_aims(sets), ""]
    parts += ["## Averages", "", *_averages(sets), ""]
    parts += ["## int8 after training", "", *_post_training(sets), ""]
    parts += ["## Quantization-aware training", "", *_aware(sets), ""]
    parts += ["## The float control", "", *_control(sets), ""]
    if any(each.counts(rows.INT4) for each in sets):
        parts += ["## Four bits", "", *_four_bits(sets), ""]
    parts += ["## Time", "", *_times(sets), ""]
    parts += ["## Settings and data", "", *_settings(sets), ""]
    refused = list(_refusals(sets))
    if refused:
        parts += ["## What was refused", "", *refused, ""]
    return "\n".join(parts)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns after the first are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(each)} |" for each in (header, rule, *lines)]


def _aims(sets: Sets) -> list[str]:
    lines = []
    for aim in AIMS:
        value = aim.quantity(sets)
        shown = "" if value is None else f"{value:.2f} {aim.unit}"
        lines.append([aim.text, shown, f"{aim.relation} {aim.limit:.4g} {aim.unit}", aim.verdict(value)])
    return _table(["", "measured", "aim", ""], lines)


def _averages(sets: Sets) -> list[str]:
    lines = []
    for name, words in rows.WORDS.items():
        found = differences(sets, name, rows.FLOAT32)
        if name == rows.FLOAT32 or not found:
            continue
        worst = min(found, key=lambda each: each.value)
        lines.append([words, str(len(found)), f"{fmean(points(found)):+.2f}", f"{100 * worst.value:+.2f}",
                      worst.entry.name])  # fmt: skip
    return _table(["against float32 of the float training", "sets", "mean", "lowest", "where"], lines)


def _post_training(sets: Sets) -> list[str]:
    names = (rows.CONVERTER, rows.LIBRARY, rows.INT8)
    columns = [
        *(_by_set(differences(sets, name, rows.FLOAT32)) for name in names),
        *(_by_set(differences(sets, rows.INT8, name)) for name in names[:2]),
    ]
    header = ["set", "float32", "TFLiteConverter", "litert-quantizer", "segsweep", "segsweep - TFLiteConverter",
              "segsweep - litert-quantizer"]  # fmt: skip
    return _of_sets(sets, header, columns, rows.FLOAT32)


def _aware(sets: Sets) -> list[str]:
    pairs = ((rows.CONTROL_INT8, rows.FLOAT32), (rows.STOCK_QAT, rows.FLOAT32), (rows.MENDED_QAT, rows.FLOAT32),
             (rows.QAT, rows.FLOAT32), (rows.QAT, rows.CONTROL_INT8), (rows.QAT, rows.STOCK_QAT),
             (rows.QAT, rows.MENDED_QAT))  # fmt: skip
    header = ["set", "float32", "control in int8", "stock QAT", "stock, input mended", "segsweep QAT",
              "QAT - control in int8", "QAT - stock", "QAT - stock, input mended"]  # fmt: skip
    text = ["What QAT gains is its difference to the int8 file of the control, a float fine-tune as long.", ""]
    return text + _of_sets(sets, header, [_by_set(differences(sets, *pair)) for pair in pairs], rows.FLOAT32)


def _control(sets: Sets) -> list[str]:
    lines = []
    for each in sets:
        start, end = (each.mean_iou(name, "validation") for name in (rows.FLOAT32, rows.CONTROL_FLOAT32))
        if start is not None and end is not None:
            lines.append([each.entry.name, f"{start:.4f}", f"{end:.4f}", f"{100 * (end - start):+.2f}"])
    text = ["Mean IoU of the exported float32 files on the validation images, before and after the fine-tune.", ""]
    return text + _table(["set", "start", "control", "points"], lines)


def _four_bits(sets: Sets) -> list[str]:
    pairs = ((rows.INT4, rows.FLOAT32), (rows.CONTROL_INT4, rows.FLOAT32), (rows.QAT_INT4, rows.FLOAT32),
             (rows.QAT_INT4, rows.CONTROL_INT4))  # fmt: skip
    columns: list[Mapping[str, str]] = [_by_set(differences(sets, *pair)) for pair in pairs]
    for fact in ("size_bytes", "weight_bytes"):
        shares = {}
        for each in sets:
            small, large = each.fact(rows.INT4, fact), each.fact(rows.INT8, fact)
            if small and large:
                shares[each.entry.name] = f"{100 * small / large:.1f} %"
        columns.append(shares)
    weights = {each.entry.name: each.fact(rows.INT4, "four_bit_share") for each in sets}
    columns.append({name: f"{100 * share:.0f} %" for name, share in weights.items() if share is not None})
    header = ["set", "float32", "int4", "control in int4", "qat_int4", "qat_int4 - control in int4",
              "int4 file, of int8's", "its weights, of int8's", "weights at 4 bits"]  # fmt: skip
    return _of_sets(sets, header, columns, rows.FLOAT32)


def _times(sets: Sets) -> list[str]:
    measured = []
    for each in sets:
        plain, qat = each.fact(rows.STEP_TIMES, "float_ms"), each.fact(rows.STEP_TIMES, "qat_ms")
        if plain and qat:
            measured.append([each.entry.name, f"{plain:.1f}", f"{qat:.1f}", f"{qat / plain:.2f}"])
    lines = []
    for each in sets:
        plain, qat = (each.fact(name, "step_seconds") for name in (rows.CONTROL_FLOAT32, rows.QAT))
        stock = each.fact(rows.STOCK_QAT, "step_seconds")
        files = [each.fact(name, "export_seconds") for name in (rows.INT8, rows.LIBRARY, rows.CONVERTER)]
        if plain and qat:
            stock_ratio = f"{stock / plain:.2f}" if stock else ""
            shown = [f"{seconds:.2f}" if seconds is not None else "" for seconds in files]
            lines.append([each.entry.name, f"{1e3 * plain:.0f}", f"{qat / plain:.2f}", stock_ratio, *shown])
    header = ["set", "float step, ms", "QAT / float", "stock QAT / float", "int8 file, s", "litert-quantizer, s",
              "TFLiteConverter, s"]  # fmt: skip
    return [
        "Steps on batches in memory, the two kinds in turn, medians:",
        "",
        *_table(["set", "float, ms", "QAT, ms", "QAT / float"], measured),
        "",
        "Whole fine-tunes, seconds of their steps over their number, the tracing of the graph included; and seconds to "
        "make a file, calibration included. Several processes ran at once.",
        "",
        *_table(header, lines),
    ]


def _settings(sets: Sets) -> list[str]:
    lines = []
    for each in sets:
        epochs, best = each.fact(rows.QAT, "epochs"), each.fact(rows.QAT, "best_epoch")
        rate, control_best = each.fact(rows.QAT, "learning_rate"), each.fact(rows.CONTROL_FLOAT32, "best_epoch")
        fine_tune = f"{epochs} at {rate:.3g}" if rate is not None else ""
        best_epochs = f"{best:.0f}, {control_best:.0f}" if best is not None and control_best is not None else ""
        words = (_chosen(each, name) for name in (rows.INT8, rows.CONTROL_INT8, rows.QAT))
        lines.append([each.entry.name, str(each.groups), *words, fine_tune, best_epochs])
    header = ["set", "groups", "selected for int8", "for the control's int8", "for QAT", "epochs of a fine-tune",
              "best epoch, QAT and control"]  # fmt: skip
    overrides = [f"- {each.entry.name}: `{' '.join(each.entry.overrides)}`" for each in sets]
    return [
        *_table(header, lines),
        "",
        "Settings of the float trainings, where they are not the defaults:",
        "",
        *overrides,
    ]


def _chosen(rows_of_set: SetRows, name: str) -> str:
    row = rows_of_set.rows.get(name)
    chosen = row.facts.get("chosen", {}) if row is not None else {}
    return ", ".join(f"{word}: {value}" for word, value in chosen.items())


def _refusals(sets: Sets) -> Iterator[str]:
    for each in sets:
        for row in each.rows.values():
            if row.refused is not None and row.name in rows.WORDS:
                yield f"- {each.entry.name}, {rows.WORDS[row.name]}: {' '.join(row.refused.split())[:300]}"


def _by_set(found: Sequence[Difference]) -> dict[str, str]:
    return {each.entry.name: _shown(each) for each in found}


def _shown(difference: Difference) -> str:
    """`+0.12 [-0.03, +0.27]`."""
    value = f"{100 * difference.value:+.2f}"
    if difference.sign:
        value = f"**{value}**"
    if difference.interval is None:
        return value
    return f"{value} [{100 * difference.interval.low:+.2f}, {100 * difference.interval.high:+.2f}]"


def _of_sets(sets: Sets, header: Sequence[str], columns: Sequence[Mapping[str, str]], first: str) -> list[str]:
    """A line a set: the mean IoU of a row, then what the columns have of it; columns without anything are left out."""
    kept = [index for index, column in enumerate(columns) if column]
    lines = []
    for each in sets:
        score = each.mean_iou(first)
        others = [columns[index].get(each.entry.name, "") for index in kept]
        if any(others):
            lines.append([each.entry.name, f"{score:.4f}" if score is not None else "", *others])
    return _table([*header[:2], *(header[index + 2] for index in kept)], lines)
