"""What each format makes of a comparison with words of users in it, read back by the format's own readers."""

import csv
import io
import json
import re
from dataclasses import replace

import jsonschema
import openpyxl
import pandas as pd
import pytest
from checkout import ROOT
from stored_reports import NAMES, hostile_report

from segsweep.cli import main
from segsweep.report.comparison import COLUMNS
from segsweep.report.comparison_rows import TAG_COLUMNS
from segsweep.report.formats.cells import cell_text
from segsweep.report.formats.escaping import latex_text, markdown_text
from segsweep.report.formats.report_input import ReportInput, View
from segsweep.report.formats.table import FORMATS

SCHEMA = json.loads((ROOT / "docs" / "comparison.schema.json").read_text())


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> ReportInput:
    return hostile_report(tmp_path_factory.mktemp("store"))


def write(report: ReportInput, name: str, **view) -> str:
    return FORMATS[name].write(replace(report, view=View(**view)))


def workbook(report: ReportInput, **view) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(write(report, "xlsx", **view)))


@pytest.mark.parametrize("name", ["md", "latex"])
def test_parted_by_all_that_is_shown_it_is_shown_all_the_same(report, name):
    text = write(report, name, columns=("width",), group_by=("width",))
    assert len(re.findall(r"(?m)^(?:\|\s+)?16(?: \|| \\\\)$", text)) == 5


class TestCsv:
    def test_default_columns_are_those_of_the_contract(self, report):
        rows = list(csv.DictReader(io.StringIO(write(report, "csv"))))
        assert list(rows[0]) == [*COLUMNS[:6], "data.images", *COLUMNS[6:]]
        assert [float(row["mean_iou"] or "nan") for row in rows] == pytest.approx(
            list(report.table["mean_iou"].astype(float)), nan_ok=True
        ), "at full precision"

    def test_sizes_are_whole_beside_rows_without_one(self, report):
        table = report.table.copy()
        table["size_bytes"] = [float("nan"), *table["size_bytes"][1:]]
        failing = replace(report, table=table)
        sizes = [row["size_bytes"] for row in csv.DictReader(io.StringIO(write(failing, "csv")))]
        assert sizes[:2] == ["", "110001"]
        sizes = [row["size_bytes"] for row in json.loads(write(failing, "json"))]
        assert sizes[:2] == [None, 110001]
        assert isinstance(sizes[1], int)

    def test_no_cell_is_a_formula(self, report):
        rows = list(csv.DictReader(io.StringIO(write(report, "csv"))))
        assert {row["data.images"].removeprefix("'") for row in rows} == set(NAMES)
        texts = [value for row in rows for name, value in row.items() if not name.startswith("delta")]
        assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert [row["delta_mean_iou"] for row in rows if row["delta_mean_iou"].startswith("-")], "numbers stay numbers"

    def test_columns_and_digits_are_chosen(self, report):
        columns = ("quantization", "mean_iou", "size_bytes")
        lines = write(report, "csv", columns=columns, decimals=2).splitlines()
        assert lines[:2] == ["quantization,mean_iou,size_bytes", "float32,0.78,400000"]
        added = write(report, "csv", added=("train_s",), removed=("data", "run_id")).splitlines()[0]
        assert added.split(",") == [
            "model",
            *COLUMNS[2:6],
            "data.images",
            *(name for name in COLUMNS[6:] if name != "run_id"),
        ]


class TestJson:
    def test_fulfils_its_documented_schema(self, report):
        rows = json.loads(write(report, "json"))
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        jsonschema.validate(rows, SCHEMA)
        assert set(COLUMNS) == set(SCHEMA["items"]["required"])
        assert set(COLUMNS) | set(TAG_COLUMNS) == set(SCHEMA["items"]["properties"])
        assert {row["data.images"] for row in rows} == set(NAMES)
        for wrong in ({"accuracy": 1.2}, {"size_bytes": 0.5}, {"status": None}, {"other": [1]}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate([{**rows[0], **wrong}], SCHEMA)

    def test_what_is_no_number_is_null(self, report):
        table = report.table.copy()
        table["mean_iou"] = [float("inf"), float("-inf"), float("nan"), *[None] * (len(table) - 3)]
        assert {row["mean_iou"] for row in json.loads(write(replace(report, table=table), "json"))} == {None}


class TestMarkdown:
    def test_words_of_users_stay_in_their_cells(self, report):
        text = write(report, "md")
        table = [line for line in text.splitlines() if line.startswith("|")]
        bars = {line.replace("\\|", "").count("|") for line in table[: len(NAMES) + 2]}
        assert len(bars) == 1, "no name makes a cell of its own"
        assert "<script>" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "水田 ريف" in text

    def test_parts_and_digits(self, report):
        text = write(report, "md", group_by=("width",), decimals=1, columns=("width", "quantization", "mean_iou"))
        assert text.count("### width 8") == text.count("### width 16") == 1
        assert "| float32" in text
        assert "0.8 |" in text
        assert "0.78" not in text
        assert text.index("### width 8") < text.index("### width 16")

    @pytest.mark.parametrize(
        ("text", "escaped"),
        [
            ("a_b", "a_b"), ("_a_", "\\_a\\_"), ("*.png", "\\*.png"), ("a|b", "a\\|b"), ("a\nb", "a b"),
            ("<b>&", "&lt;b&gt;&amp;"), ("`x`", "\\`x\\`"), ("[x](y)", "\\[x\\](y)"), ("\\", "\\\\"), ("50 %", "50 %"),
            ("~~x~~", "\\~\\~x\\~\\~"), ("水_田", "水_田"),
        ],
    )  # fmt: skip
    def test_escaping(self, text, escaped):
        assert markdown_text(text) == escaped


class TestXlsx:
    def test_numbers_are_numbers_and_text_is_text(self, report):
        sheet = workbook(report)["comparison"]
        head, *rows = sheet.iter_rows()
        place = {cell.value: index for index, cell in enumerate(head)}
        assert list(place) == list(report.table.columns)
        for row, (_, expected) in zip(rows, report.table.iterrows(), strict=True):
            assert row[place["data.images"]].value == expected["data.images"]
            assert row[place["data.images"]].data_type == "s"
            if pd.isna(expected["mean_iou"]):
                assert row[place["mean_iou"]].value is None
            else:
                assert row[place["mean_iou"]].value == pytest.approx(expected["mean_iou"])
                assert row[place["mean_iou"]].number_format == "0.0000"
                assert row[place["size_bytes"]].data_type == "n"
        assert not [cell for sheet in workbook(report) for row in sheet.iter_rows() for cell in row
                    if cell.data_type == "f"]  # fmt: skip
        formula = next(row[place["data.images"]] for row in rows if row[place["data.images"]].value.startswith("="))
        assert formula.quotePrefix

    def test_head_stays_in_sight_and_the_best_is_bold(self, report):
        sheet = workbook(report, decimals=1)["comparison"]
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref.startswith("A1:")
        names = [cell.value for cell in sheet[1]]
        sizes = [row[names.index("size_bytes")] for row in sheet.iter_rows(min_row=2)]
        assert [cell.value for cell in sizes if cell.font.bold] == [110_001]
        assert {cell.number_format for cell in sheet[names.index("size_bytes") and 2]} >= {"#,##0", "0.0"}

    def test_second_sheet_says_how_it_was_made(self, report):
        book = workbook(report)
        assert book.sheetnames == ["comparison", "how it was made"]
        facts = {row[0].value: row[1].value for row in book["how it was made"].iter_rows(min_row=2)}
        assert facts["repeat with"].startswith("segsweep run")
        assert facts["version of tensorflow"] == "2.21.0"


def test_everything_is_written_for_a_sweep_of_failures(tmp_path):
    report = hostile_report(tmp_path, failing=True)
    for name in FORMATS:
        assert FORMATS[name].write(report)


def test_a_sweep_without_rows_is_written_too(report):
    empty = report.table[:0].copy()
    empty.attrs = report.table.attrs
    for name in FORMATS:
        for view in (View(), View(group_by=("width",), added=("train_s",), decimals=2)):
            assert FORMATS[name].write(replace(report, table=empty, view=view))


def test_the_command_writes_whole_files_and_only_new_ones(report, tmp_path, capsys):
    uri = report.store.location.uri
    for name in ("t.xlsx", "t.csv", "t.tex"):
        path = tmp_path / name
        assert main(["report", "--tracking-uri", uri, "--output", str(path)]) == 0
        before = path.read_bytes()
        assert main(["report", "--tracking-uri", uri, "--output", str(path)]) == 2
        assert path.read_bytes() == before
        assert main(["report", "--tracking-uri", uri, "--output", str(path), "--force", "--where", "width=8"]) == 0
        assert path.read_bytes() != before
    assert {path.name for path in tmp_path.iterdir()} == {"t.xlsx", "t.csv", "t.tex"}
    capsys.readouterr()
    assert main(["report", "--tracking-uri", "sqlite:///nowhere.db", "--output", str(tmp_path / "no" / "t.md")]) == 2
    assert "there is no folder" in capsys.readouterr().err, "said before the store is asked"
    assert main(["report", "--tracking-uri", uri, "--columns", "speed"]) == 2
    said = capsys.readouterr().err
    assert "speed: no such column; there are data, model" in said
    assert said.count("\n") == 1
    columns = "--columns=width,mean_iou,test/iou_水田 ريف"
    assert main(["report", "--tracking-uri", uri, "--format", "csv", columns, "--sort", "-mean_iou"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "width,mean_iou,test/iou_水田 ريف"


def test_latex_escapes_everything():
    assert latex_text("a_b & 50 % #1 {x} ~^\\$<>") == (
        r"a\_b \& 50 \% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}\$\textless{}\textgreater{}"
    )
    assert latex_text("Łódź") == "Łódź"
    assert latex_text("a 水田 b") == r"a \segsweepletters{水田}{U+6C34 U+7530} b"
    assert latex_text("a\x00\nb") == "a b"


@pytest.mark.parametrize(
    ("value", "text"), [(-0.00004, "+0.0000"), (-0.0, "+0.0000"), (-0.00006, "-0.0001"), (0.00004, "+0.0000")]
)
def test_what_rounds_to_nothing_has_no_minus(value, text):
    assert cell_text("delta_mean_iou", value) == text
