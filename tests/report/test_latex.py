"""LaTeX for papers: compiled, where LaTeX is installed."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from stored_reports import hostile_report

from segsweep.report.formats.best import best_rows
from segsweep.report.formats.latex import to_latex
from segsweep.report.formats.report_input import ReportInput, View


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> ReportInput:
    return hostile_report(tmp_path_factory.mktemp("store"))


def rows_of(text: str) -> list[list[str]]:
    body = re.split(r"\\midrule|\\bottomrule|\\endlastfoot|\\end\{longtable\}", text)
    return [line.removesuffix(r" \\").split(" & ") for part in body[1:] for line in part.splitlines() if " & " in line]


def test_the_best_of_each_column_is_bold_and_controls_are_not(report):
    text = to_latex(replace(report, view=View(columns=("quantization", "mean_iou", "size_bytes", "width"))))
    rows = rows_of(text)
    bold = [[place for place, cell in enumerate(row) if cell.startswith(r"\bfseries")] for row in rows]
    # Of 10 rows by width, float32 of width 16 has the best mean IoU, and int8 of width 8 the smallest file.
    assert bold == [[], [2], [], [], [], [1], [], [], [], []]
    assert rows[3][0] == "float32 (control)"
    assert rows[5] == ["float32", r"\bfseries 0.8600", "781.2", "16"]
    assert "controls aside, is in bold" in text


def test_controls_are_marked_wherever_the_variants_stand(report):
    text = to_latex(replace(report, view=View(columns=("delta_mean_iou", "quantization", "mean_iou"))))
    titles = next(line for line in text.splitlines() if "variant" in line)
    assert titles == r"{$\Delta$} & {from} & {to} & variant & {mean IoU} \\"
    rows = rows_of(text)
    assert [len(row) for row in rows[-10:]] == [5] * 10
    assert rows[-7][3] == "float32 (control)"


def test_ends_of_intervals_have_no_columns_where_there_are_none(report):
    baselines = report.table[(report.table["quantization"] == "float32") & (report.table["training_kind"] == "float")]
    text = to_latex(replace(report, table=baselines))
    assert "{$\\Delta$}" in text
    assert "from &" not in text


def test_equal_as_read_are_equally_good():
    rows = pd.DataFrame(
        {
            "accuracy": [0.91236, 0.91244, 0.9, None, 0.95],
            "status": ["FINISHED"] * 4 + ["FAILED"],
            "training_kind": "float",
            "data": "d",
        }
    )
    assert best_rows(rows, "accuracy", None) == best_rows(rows, "accuracy", 4) == {0, 1}
    assert best_rows(rows, "accuracy", 5) == {1}
    assert best_rows(rows.assign(data=["d", "d", "e", "e", "e"]), "accuracy", 5) == {1}, "no best of one"
    assert best_rows(rows.assign(data=["d", "e", "e", "d", "d"]), "accuracy", 5) == {1}
    assert best_rows(rows.assign(data=["d", "e", "e", "d", "d"], status="FINISHED"), "accuracy", 5) == {1, 4}
    agreeing = rows.assign(agreement=[1.0, 0.9, 0.8, 0.7, 0.6], quantization=["float32", *["int8"] * 4])
    assert best_rows(agreeing, "agreement", None) == {1}
    assert best_rows(rows, "status", None) == set()
    assert best_rows(rows[:1], "accuracy", None) == set()


def test_numbers_are_aligned_and_text_is_not(report):
    text = to_latex(report)
    (specification,) = re.findall(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", text)
    assert specification.split(" ") == [
        "S[table-format=2.0]", "l", "l", "S[table-format=1.4]", "S[table-format=1.4]", "S[table-format=+1.4]",
        "S[table-format=-1.4]", "S[table-format=+1.4]", "S[table-format=3.1]", "S[table-format=1.3]",
    ]  # fmt: skip
    assert r"\usepackage{booktabs,siunitx}" in text.splitlines()[0]
    assert text.count("\\begin{") == text.count("\\end{")


def test_parts_have_their_own_best(report):
    text = to_latex(replace(report, view=View(group_by=("width",), columns=("quantization", "mean_iou"), decimals=3)))
    assert r"\multicolumn{2}{l}{\itshape width 8}" in text
    assert [row for row in rows_of(text) if "bfseries" in row[1]] == [
        ["float32", r"\bfseries 0.780"],
        ["float32", r"\bfseries 0.860"],
    ]


def compile_document(folder: Path, table: str, packages: str) -> str:
    (folder / "table.tex").write_text(table)
    (folder / "document.tex").write_text(
        "\\documentclass{article}\n"
        f"\\usepackage{{{packages}}}\n\\begin{{document}}\n\\input{{table}}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert (folder / "document.pdf").read_bytes().startswith(b"%PDF")
    return ran.stdout


def has_latex() -> bool:
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    return subprocess.run(["kpsewhich", "siunitx.sty"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_latex(), reason="LaTeX with siunitx is not installed")
class TestInLatex:
    def test_compiles_in_a_plain_document(self, report, tmp_path):
        said = compile_document(tmp_path, to_latex(report), "booktabs,siunitx")
        assert "Undefined control" not in said
        assert "Missing character" not in (tmp_path / "document.log").read_text(errors="replace")

    def test_long_tables_go_over_pages(self, report, tmp_path):
        table = pd.concat([report.table] * 12, ignore_index=True)
        table.attrs = report.table.attrs
        text = to_latex(replace(report, table=table))
        assert r"\usepackage{booktabs,siunitx,longtable}" in text
        said = compile_document(tmp_path, text, "booktabs,siunitx,longtable")
        assert int(re.search(r"\((\d+) pages", said)[1]) > 1

    def test_parts_failures_and_an_empty_choice_compile(self, report, tmp_path):
        failed = hostile_report(tmp_path, failing=True)
        tables = [
            to_latex(replace(report, view=View(group_by=("data.images",), added=("size_ratio", "train_s", "run_id")))),
            to_latex(failed),
            to_latex(replace(report, view=View(columns=("status",)))),
            to_latex(replace(report, view=View(columns=("data.images", "width")))),
        ]
        compile_document(tmp_path, "\n".join(tables), "booktabs,siunitx")
