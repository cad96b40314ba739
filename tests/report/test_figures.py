"""The figures of a report: what they show, against sums by hand, and the files they become."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image
from stored_reports import hostile_report

from segsweep.cli import main
from segsweep.report.figures.class_heat_map import GAIN, class_changes, class_heat_map
from segsweep.report.figures.pareto_plots import pareto_figure
from segsweep.report.figures.rendering import KINDS, render
from segsweep.report.figures.slopes import lines_of, slopes_figure
from segsweep.report.figures.style import COLUMN_INCHES, PAGE_INCHES
from segsweep.report.figures.table import PLOTS
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.trainings import training_labels
from segsweep.tracking import names
from segsweep.tracking.records import RunRecord


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> ReportInput:
    found = hostile_report(tmp_path_factory.mktemp("store"))
    # A setting that differs in every row would make a training of each.
    table = found.table.drop(columns="data.images")
    table.attrs = found.table.attrs
    return replace(found, table=table)


def rows(**columns) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    usual = {
        "data": "d", "model": "m", "width": 8, "learning_rate": 0.01, "seed": 0, "quantization": "float32",
        "training_kind": "float", "status": "FINISHED", "run_id": [f"r{number}" for number in range(count)],
    }  # fmt: skip
    for score in ("mean_iou", "accuracy"):
        if score in columns and f"validation_{score}" not in columns:
            # Fronts are of the validation split; these plots have the same numbers there.
            columns = {**columns, f"validation_{score}": columns[score]}
    order = [*list(usual)[:6], "training_kind", *(name for name in columns if name not in usual), "status", "run_id"]
    return pd.DataFrame({**usual, **columns})[order]


def line(figure, label: str):
    (axes, *_) = figure.axes
    return next(each for each in axes.get_lines() if each.get_label() == label)


class TestParetoPlots:
    TABLE = rows(
        quantization=["float32", "float16", "int8", "qat_int8", "int8", "int16x8"],
        training_kind=["float", "float", "float", "qat", "finetune", "float"],
        status=["FINISHED"] * 5 + ["FAILED"],
        mean_iou=[0.80, 0.79, 0.70, 0.75, 0.99, 0.99],
        size_bytes=[4096, 2048, 1024, 1024, 512, 256],
    )

    def test_front_goes_through_what_nothing_beats(self):
        front = line(pareto_figure(self.TABLE, "size_bytes", "mean_iou"), "Pareto front")
        corners = np.column_stack([front.get_xdata(), front.get_ydata()])
        # qat_int8 beats int8 of its size; the control and the failure do not count.
        assert corners.tolist() == [[1, 0.75], [2, 0.75], [2, 0.79], [4, 0.79], [4, 0.80]]

    def test_each_data_set_has_its_own_front(self):
        table = rows(data=["a", "b"], mean_iou=[0.9, 0.5], size_bytes=[1024, 2048])
        (axes,) = pareto_figure(table, "size_bytes", "mean_iou").axes
        assert [each.get_xydata().tolist() for each in axes.get_lines()] == [[[1, 0.9]], [[2, 0.5]]]

    def test_every_finished_row_is_a_point_and_controls_are_hollow(self):
        (axes,) = pareto_figure(self.TABLE, "size_bytes", "mean_iou").axes
        points = {each.get_label(): each for each in axes.collections}
        assert set(points) == {"float32", "float16", "int8", "qat_int8", "int8, control"}
        assert sum(len(each.get_offsets()) for each in points.values()) == 5
        assert len(points["int8, control"].get_facecolor()) == 0
        assert to_hex(points["int8, control"].get_edgecolor()[0]) == to_hex(points["int8"].get_facecolor()[0])
        assert axes.get_xlabel() == "file size, KiB"

    def test_rows_without_the_numbers_are_left_out(self):
        table = self.TABLE.assign(latency_p50_ms=[None, 0.5, float("nan"), None, 0.0, 1.0])
        (axes,) = pareto_figure(table, "latency_p50_ms", "mean_iou", note="Some CPU").axes
        assert [each.get_offsets().tolist() for each in axes.collections] == [[[0.5, 0.79]]]
        assert "Some CPU" in axes.get_xlabel()
        assert pareto_figure(table[:1], "latency_p50_ms", "mean_iou") is None

    @pytest.mark.parametrize("sizes", [(6200, 7300, 10300), (2000, 2010, 2020), (1000, 50_000, 2_000_000)])
    def test_an_axis_has_numbers_enough_to_be_read(self, sizes):
        figure = pareto_figure(rows(mean_iou=[0.7, 0.8, 0.9], size_bytes=sizes), "size_bytes", "mean_iou")
        (axes,) = figure.axes
        low, high = axes.get_xlim()
        assert 3 <= sum(low <= each <= high for each in axes.get_xticks()) <= 15

    def test_names_hide_no_points(self):
        count = 12
        sizes = [round(1024 * 1.1**number) for number in range(count)]
        scores = [0.5 + 0.001 * number for number in range(count)]
        table = rows(width=[*range(10, 10 + count), 9], mean_iou=[*scores, 0.1], size_bytes=[*sizes, 9000])
        # Nearly level, so a name to the right of its point would hide the next one.
        figure = pareto_figure(table, "size_bytes", "mean_iou", COLUMN_INCHES)
        (axes,) = figure.axes
        figure.draw_without_rendering()
        assert sorted(text.get_text() for text in axes.texts) == [f"w{10 + number}" for number in range(count)]
        texts = [Text.get_window_extent(text) for text in axes.texts]
        spots = axes.transData.transform(table[["size_bytes", "mean_iou"]].to_numpy() / [1024, 1])
        assert not [box for box in texts for x, y in spots if box.contains(x, y)]
        assert not [1 for a in texts for b in texts if a is not b and a.overlaps(b)]


class TestSlopes:
    def test_steps_of_each_training(self):
        table = rows(
            width=[8, 8, 8, 8, 8, 16, 16],
            quantization=["float32", "int8", "qat_int8", "float32", "int8", "float32", "int8"],
            training_kind=["float", "float", "qat", "finetune", "finetune", "float", "float"],
            mean_iou=[0.80, 0.70, 0.76, 0.82, 0.75, 0.90, 0.89],
        )
        trained, tuned = slopes_figure(table).axes
        assert {each.get_label(): list(each.get_ydata()) for each in trained.get_lines()} == {
            "w8": [0.80, 0.70],
            "w16": [0.90, 0.89],
        }
        drawn = [list(each.get_ydata()) for each in tuned.get_lines()]
        assert sorted(drawn) == [[], [0.82, 0.75, 0.76]], "control, its int8, QAT: the last step is QAT's gain"

    def test_without_fine_tunes_there_is_no_panel_of_them(self):
        (axes,) = slopes_figure(rows(quantization=["float32", "int8"], mean_iou=[0.8, 0.7])).axes
        assert axes.get_title() == "as trained"

    def test_nothing_to_compare_is_no_figure(self):
        assert slopes_figure(rows(mean_iou=[0.8])) is None

    def test_of_many_trainings_the_best_have_names(self):
        widths = [*range(1, 12)] * 2
        table = rows(width=widths, quantization=["float32"] * 11 + ["int8"] * 11, mean_iou=[w / 100 for w in widths])
        figure = slopes_figure(table)
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert texts == [*(f"w{width}" for width in range(11, 4, -1)), "4 other trainings"]

    def test_their_runs_are_in_the_order_of_the_colours(self):
        table = rows(
            width=[8, 8, 16, 16, 4],
            quantization=["float32", "int8"] * 2 + ["float32"],
            mean_iou=[0.7, 0.6, 0.9, 0.8, 0.95],
            run_id=["a", "b", "c", "d", "e"],
        )
        assert lines_of(table) == [["c", "d"], ["a", "b"]]
        labels = [line.get_label() for line in slopes_figure(table).axes[0].get_lines()]
        assert labels == ["w16", "w8"]


def test_a_training_has_the_colour_of_the_steps_in_its_curves(report, monkeypatch):
    given = []
    monkeypatch.setattr("segsweep.report.figures.table.curves_figure", lambda found, width, order: given.extend(order))
    PLOTS["learning-curves"].draw(report, PAGE_INCHES)
    firsts = [report.runs[line[0]].tags for line in lines_of(report.table)]
    assert given == [tags.get(names.PARENT_TRAINING_KEY) or tags[names.TRAINING_KEY] for tags in firsts]
    assert len(given) > 1


class TestClassHeatMap:
    def test_changes_are_to_float32_of_the_same_training_and_the_gain_is_to_the_control(self):
        table = rows(
            width=[8, 8, 8, 8, 16, 16],
            quantization=["float32", "int8", "qat_int8", "int8", "float32", "int8"],
            training_kind=["float", "float", "qat", "finetune", "float", "float"],
        )
        scores = [(0.8, 0.5), (0.7, 0.5), (0.76, 0.48), (0.75, 0.5), (0.6, None), (0.58, None)]
        runs = {
            f"r{number}": RunRecord(
                f"r{number}", "", "FINISHED", 0, 1, "", {}, {},
                {f"test/iou_{name}": value for name, value in zip(("a b", "水"), values) if value is not None},
            )
            for number, values in enumerate(scores)
        }  # fmt: skip
        changes = class_changes(table, runs)
        assert list(changes.columns) == ["a b", "水"]
        assert changes.loc["int8"].tolist() == pytest.approx([-6, 0]), "mean of -10 and -2, and of 0 alone"
        assert changes.loc["qat_int8"].tolist() == pytest.approx([-4, -2])
        assert changes.loc["int8, control"].tolist() == pytest.approx([-5, 0])
        assert changes.loc[GAIN].tolist() == pytest.approx([1, -2])
        assert list(changes.index)[-1] == GAIN
        assert changes.attrs["trainings"] == 2

    def test_rows_chosen_without_their_baseline_are_compared_with_it_all_the_same(self, report):
        chosen = report.table[report.table["quantization"] == "int8"]
        whole = class_changes(report.table, report.runs)
        assert class_changes(chosen, report.runs).loc["int8"].equals(whole.loc["int8"])

    def test_few_variants_of_classes_with_long_names_leave_room_for_the_scale(self):
        scores = {f"test/iou_a class whose name is far too long to stand level {each}": 0.5 for each in range(6)}
        runs = {run: RunRecord(run, "", "FINISHED", 0, 1, "", {}, {}, scores) for run in ("r0", "r1")}
        figure = class_heat_map(rows(quantization=["float32", "int8"]), runs)
        figure.draw_without_rendering()
        _, bar = figure.axes
        assert bar.get_window_extent().height >= bar.yaxis.label.get_window_extent().height

    def test_many_classes_still_fit(self):
        table = rows(quantization=["float32", "int8"])
        runs = {
            run: RunRecord(
                run, "", "FINISHED", 0, 1, "", {}, {},
                {f"test/iou_class number {number}": 0.5 - number / 1000 * place for number in range(150)},
            )
            for place, run in enumerate(["r0", "r1"])
        }  # fmt: skip
        figure = PLOTS["class-iou-change"].draw(ReportInput(table, runs, None, None), PAGE_INCHES)
        labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
        assert labels == [f"class number {number}" for number in range(110, 150)], "those that change most"


def smallest_letters(figure) -> float:
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(match=lambda artist: hasattr(artist, "get_fontsize")) if text.get_text()]
    return min(text.get_fontsize() for text in texts)


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("width", [COLUMN_INCHES, PAGE_INCHES])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_every_plot_is_readable_at_print_size(report, name, width):
    figure = PLOTS[name].draw(report, width)
    assert figure.get_size_inches()[0] == width
    assert figure.get_size_inches()[1] < 9, "a page is not longer"
    assert smallest_letters(figure) >= 7


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_gives_the_same_files_again(report, name):
    figure, again = PLOTS[name].draw(report, COLUMN_INCHES), PLOTS[name].draw(report, COLUMN_INCHES)
    contents = {kind: render(figure, kind) for kind in KINDS}
    for kind, content in contents.items():
        assert content == render(again, kind)
        assert not re.search(rb"20\d\d-\d\d-\d\d|D:20\d\d", content), "no date"
    with Image.open(io.BytesIO(contents["png"])) as picture:
        assert picture.width == pytest.approx(300 * COLUMN_INCHES, abs=2)
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_letters_are_embedded_in_pdf_and_outlines_in_svg(report):
    figure = PLOTS["steps"].draw(report, COLUMN_INCHES)
    pdf = render(figure, "pdf")
    assert b"/Subtype /Type3" not in pdf
    assert b"/FontFile2" in pdf
    assert not ElementTree.fromstring(render(figure, "svg")).findall(".//{*}text"), "the same everywhere"
    assert ElementTree.fromstring(render(figure, "svg", text=True)).findall(".//{*}text")


def test_svgs_of_one_page_share_no_ids(report):
    def ids(salt: str) -> set[str]:
        figure = PLOTS["mean-iou-over-size"].draw(report, PAGE_INCHES)
        return set(re.findall(r'<clipPath id="([^"]+)"', render(figure, "svg", salt=salt).decode()))

    assert ids("a")
    assert ids("a").isdisjoint(ids("b"))


def test_words_of_users_are_neither_formulas_nor_markup():
    table = rows(
        width=[8, 16], mean_iou=[0.5, 0.6], size_bytes=[1000, 2000], quantization=["$\\frac{1}{2}$", "<script>&_%"]
    )
    for kind in KINDS:
        content = render(pareto_figure(table, "size_bytes", "mean_iou"), kind, text=True)
        if kind == "svg":
            words = "".join(ElementTree.fromstring(content).itertext())
            assert "$\\frac{1}{2}$" in words
            assert "<script>&_%" in words


def test_curves_are_those_of_the_rows_that_are_shown(report):
    def drawn(chosen: pd.DataFrame) -> int:
        figure = PLOTS["learning-curves"].draw(replace(report, table=chosen), PAGE_INCHES)
        return len(figure.axes[0].get_lines())

    assert drawn(report.table) == 4
    assert drawn(report.table[report.table["width"] == 8]) == 2


def test_names_of_trainings_say_what_varies():
    table = rows(width=[8, 16], learning_rate=[0.01, 0.01])
    assert list(training_labels(table)) == ["w8", "w16"]
    table.insert(6, "loss", ["dice", None])
    assert list(training_labels(table)) == ["w8 loss dice", "w16"]
    assert list(training_labels(table[:1])) == ["m"]
    table.insert(7, "quantization.calibration.samples", [8, 16])
    assert list(training_labels(table)) == ["w8 loss dice", "w16"]


def test_files(report, tmp_path, capsys, monkeypatch):
    plots = {name: PLOTS[name] for name in ("mean-iou-over-size", "steps")}
    monkeypatch.setattr("segsweep.report.figures.files.PLOTS", plots)
    command = ["report", "--tracking-uri", report.store.location.uri, "--figures", str(tmp_path / "new" / "plots")]
    folder = tmp_path / "new" / "plots"
    assert main([*command, "--output", str(tmp_path / "t.md")]) == 0
    found = {path.name for path in folder.iterdir()}
    assert found == {f"{name}-{width}.{kind}" for name in plots for width in ("column", "page") for kind in KINDS}
    assert main([*command, "--output", str(tmp_path / "other.md")]) == 2
    assert "mean-iou-over-size-column.svg: the file exists" in capsys.readouterr().err
    assert not (tmp_path / "other.md").exists()
    before = (folder / "steps-page.png").read_bytes()
    assert main([*command, "--force", "--where", "width=8"]) == 0
    assert (folder / "steps-page.png").read_bytes() != before
    (tmp_path / "file").write_text("")
    assert main([*command[:-1], str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_failures_alone_have_no_figures(tmp_path, capsys):
    report = hostile_report(tmp_path, failing=True)
    command = ["report", "--tracking-uri", report.store.location.uri, "--figures", str(tmp_path / "plots")]
    assert main(command) == 2
    assert "there is nothing to draw" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "plots").exists()


def test_no_display_is_needed(report, tmp_path):
    script = "import sys, segsweep.report.figures.table; assert 'matplotlib.pyplot' not in sys.modules"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=Path(__file__).parents[2])
