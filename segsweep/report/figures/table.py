"""The figures of a report."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from segsweep.report.animations import trainings_of
from segsweep.report.figures.class_heat_map import class_heat_map
from segsweep.report.figures.curves import curves_figure, histories
from segsweep.report.figures.pareto_plots import pareto_figure
from segsweep.report.figures.slopes import lines_of, slopes_figure
from segsweep.report.formats.report_input import ReportInput
from segsweep.tracking import names


@dataclass(frozen=True)
class Plot:
    """A figure of a report."""

    title: str
    """What it shows, a short line for people."""
    draw: Callable[[ReportInput, float], Figure | None]
    """Given the report and the width in inches; None where there is nothing to draw."""
    needs: str
    """Why there may be nothing."""


def _pareto(cost: str, score: str) -> Callable[[ReportInput, float], Figure | None]:
    def draw(report: ReportInput, width: float) -> Figure | None:
        note = _processor(report) if cost == "latency_p50_ms" else ""
        return pareto_figure(report.table, cost, score, width, note)

    return draw


def _processor(report: ReportInput) -> str:
    """The processor that latency was measured on, and whether it was one."""
    shown = (report.runs[run_id] for run_id in report.table["run_id"] if run_id in report.runs)
    found = {run.tags[names.CPU] for run in shown if names.CPU in run.tags}
    return found.pop() if len(found) == 1 else "several processors" if found else ""


def _curves(report: ReportInput, width: float) -> Figure | None:
    """The curves of the trainings whose variants are shown, and of those that these started from."""
    keys = (names.TRAINING_KEY, names.PARENT_TRAINING_KEY)
    shown = [report.runs[run_id] for run_id in report.table["run_id"] if run_id in report.runs]
    kept = {run.tags.get(key) for run in shown for key in keys}
    left_out = {run.tags.get(names.TRAINING_KEY) for run in report.runs.values()} - kept
    trainings = trainings_of(report.store, report.sweep)
    wanted = [run for run in trainings if run.tags.get(names.TRAINING_KEY) not in left_out]
    return curves_figure(histories(report.store, wanted), width, _as_in_steps(report))


def _as_in_steps(report: ReportInput) -> list[str]:
    """Keys of the float trainings in the order of their colours in `steps`, so that each has one in both."""
    runs = (report.runs[run_id] for line in lines_of(report.table) for run_id in line if run_id in report.runs)
    keys = (run.tags.get(names.PARENT_TRAINING_KEY) or run.tags.get(names.TRAINING_KEY, "") for run in runs)
    return list(dict.fromkeys(keys))


_ROWS = "no variant is finished"
_LATENCIES = "no variant has a latency"

PLOTS: dict[str, Plot] = {
    "mean-iou-over-size": Plot("Mean IoU against file size", _pareto("size_bytes", "mean_iou"), _ROWS),
    "accuracy-over-size": Plot("Accuracy against file size", _pareto("size_bytes", "accuracy"), _ROWS),
    "mean-iou-over-latency": Plot("Mean IoU against latency", _pareto("latency_p50_ms", "mean_iou"), _LATENCIES),
    "accuracy-over-latency": Plot("Accuracy against latency", _pareto("latency_p50_ms", "accuracy"), _LATENCIES),
    "steps": Plot(
        "What quantization costs, and what quantization-aware training gains over a float fine-tune of the same budget",
        lambda report, width: slopes_figure(report.table, "mean_iou", width),
        "no training has both float32 and int8, or both its control and qat_int8",
    ),
    "class-iou-change": Plot(
        "Change of each class's IoU by variant, against float32 of the same training",
        lambda report, width: class_heat_map(report.table, report.runs, width),
        "no variant has a score by class and a float32 to be compared with",
    ),
    "learning-curves": Plot(
        "Learning curves",
        _curves,
        "no training has a history",
    ),
}
"""By the beginning of their files' names."""
