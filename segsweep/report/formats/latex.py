"""LaTeX, for papers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from segsweep.report.formats.best import best_rows
from segsweep.report.formats.cells import TEXTS, cell_text, columns_for_people, constant_settings, groups_of, title
from segsweep.report.formats.escaping import OTHER_LETTERS, latex_text
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.references import reference_lines
from segsweep.report.trainings import training_labels

MOST_ROWS_OF_A_FLOAT = 40
"""More do not fit on a page; they become a table that goes over several."""

_LEFT_OUT = ("training_kind", "agreement", "size_ratio")
"""Of the columns that people want to see, those that a page is too narrow for. Without the kind of its training, a
control's variant says that it is one."""
_LOW, _HIGH = "delta_mean_iou low", "delta_mean_iou high"
"""The ends of the interval of that difference."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
_TITLES = {_LOW: "from", _HIGH: "to", "delta_accuracy": r"$\Delta$ accuracy", "delta_mean_iou": r"$\Delta$"}

_LETTERS = rf"""% Letters that pdfLaTeX has no font for: LuaLaTeX and XeLaTeX set them, with a font that has them.
\ifdefined\directlua \def{OTHER_LETTERS}#1#2{{#1}}\else
\ifdefined\XeTeXversion \def{OTHER_LETTERS}#1#2{{#1}}\else
\def{OTHER_LETTERS}#1#2{{[#2]}}\fi\fi
"""


@dataclass(frozen=True)
class _Column:
    """A column of the table."""

    name: str
    numeric: bool
    texts: dict[object, str]
    """What stands in its cells, by row, as people read it."""

    @property
    def specification(self) -> str:
        """How LaTeX aligns it: by the decimal point where all of it are plain numbers."""
        if not self.numeric:
            return "l"
        numbers = [text for text in self.texts.values() if text]
        whole = max(len(text.lstrip("+-").partition(".")[0]) for text in numbers)
        digits = max(len(text.partition(".")[2]) for text in numbers)
        sign = next((sign for sign in "+-" if any(text[0] == sign for text in numbers)), "")
        return f"S[table-format={sign}{whole}.{digits}]"

    def cell(self, row: object, best: bool) -> str:
        """What stands in a cell."""
        text = self.texts[row]
        if not self.numeric:
            return latex_text(text)
        return (r"\bfseries " if best else "") + text if text else "{--}"


def to_latex(report: ReportInput) -> str:
    """A table of booktabs and siunitx with the best of each column in bold, for ``\\input`` in a document."""
    table, view = report.table, report.view
    same = constant_settings(table) if view.columns is None else []
    usual = [name for name in columns_for_people(table) if name not in _LEFT_OUT]
    names = view.in_groups(usual)
    columns = [column for name in names for column in _columns(table, name, view.decimals)]
    if "training_kind" not in names:
        columns = [_marked_controls(table) if column.name == "quantization" else column for column in columns]
    training = training_labels(table)
    # Where the rows of each training stand together, a little room shows it.
    spaced = training.nunique() == (training != training.shift()).sum() < len(table)
    body: list[str] = []
    for group, rows in groups_of(table, view.group_by):
        best = {name: best_rows(rows, name, view.decimals) for name in names}
        if group:
            body += [r"\midrule"] if body else []
            body.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{\itshape {latex_text(group)}}} \\")
        for row, before in zip(rows.index, [None, *rows.index], strict=False):
            if before is not None and spaced and training[row] != training[before]:
                body.append(r"\addlinespace[2pt]")
            cells = [column.cell(row, row in best.get(column.name, ())) for column in columns]
            body.append(" & ".join(cells) + r" \\")
    label = f"tab:segsweep-{report.sweep.run_id[:8]}"
    caption = _caption(
        report, same,
        marked=any(r"\bfseries" in line for line in body),
        shown_difference=any(column.name == "delta_mean_iou" for column in columns),
    )  # fmt: skip
    lines = (_over_pages if len(table) > MOST_ROWS_OF_A_FLOAT else _float)(columns, body, caption, label)
    text = "\n".join(lines) + "\n"
    letters = _LETTERS if OTHER_LETTERS in text else ""
    packages = r"\usepackage{booktabs,siunitx" + (",longtable}" if len(table) > MOST_ROWS_OF_A_FLOAT else "}")
    return f"% Made by segsweep report. Needs {packages} (siunitx 3); refer to it as \\ref{{{label}}}.\n{letters}{text}"


def _columns(table: pd.DataFrame, name: str, decimals: int | None) -> list[_Column]:
    """A column of the comparison, and behind a difference the ends of its interval."""
    columns = [_column(name, {row: cell_text(name, value, decimals) for row, value in table[name].items()})]
    ends = table.attrs.get("delta_mean_iou", {})
    if name == "delta_mean_iou" and any(run in ends for run in table["run_id"]):
        for place, end in enumerate((_LOW, _HIGH)):
            found = {row: ends[run][place] if run in ends else None for row, run in table["run_id"].items()}
            columns.append(_column(end, {row: cell_text(name, value, decimals) for row, value in found.items()}))
    return columns


def _column(name: str, texts: dict[object, str]) -> _Column:
    if name == "size_ratio":
        texts = {row: text.removesuffix("%") for row, text in texts.items()}
    numbers = [text for text in texts.values() if text]
    numeric = name not in TEXTS and bool(numbers) and all(_NUMBER.fullmatch(text) for text in numbers)
    return _Column(name, numeric and not any("e" in text for text in numbers), texts)


def _marked_controls(table: pd.DataFrame) -> _Column:
    """The variants, with a word at those of the control."""
    marks = {row: " (control)" if kind == "finetune" else "" for row, kind in table["training_kind"].items()}
    return _Column("quantization", False, {row: f"{name}{marks[row]}" for row, name in table["quantization"].items()})


def _head(columns: Sequence[_Column]) -> list[str]:
    """The titles, with one over the two ends of an interval."""
    titles = [_title(column.name) for column in columns]
    names = [column.name for column in columns]
    lines = []
    if _LOW in names:
        first = names.index(_LOW) - 1
        rest = len(names) - first - 3
        over = rf"\multicolumn{{3}}{{c}}{{mean IoU, difference, 95\,\%}}{' &' * rest} \\"
        lines = [" &" * first + f" {over}", rf"\cmidrule(lr){{{first + 1}-{first + 3}}}"]
    cells = [f"{{{text}}}" if column.numeric else text for column, text in zip(columns, titles, strict=True)]
    return [r"\toprule", *lines, " & ".join(cells) + r" \\", r"\midrule"]


def _title(name: str) -> str:
    if name == "size_ratio":
        return r"size, \%"
    return _TITLES.get(name) or latex_text(title(name))


_SETTINGS = (
    r"\sisetup{mode=math, reset-text-series=false, text-series-to-math=true, "
    r"retain-explicit-plus=true}"
)
"""Let siunitx print in bold where the text is."""


def _float(columns: Sequence[_Column], body: Sequence[str], caption: str, label: str) -> list[str]:
    return [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{1.5pt}\setlength{\belowcaptionskip}{4pt}",
        _SETTINGS,
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{@{{}}{' '.join(column.specification for column in columns)}@{{}}}}",
        *_head(columns),
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _over_pages(columns: Sequence[_Column], body: Sequence[str], caption: str, label: str) -> list[str]:
    return [
        r"\begingroup\footnotesize\setlength{\tabcolsep}{1.5pt}",
        _SETTINGS,
        rf"\begin{{longtable}}{{@{{}}{' '.join(column.specification for column in columns)}@{{}}}}",
        rf"\caption{{{caption}}}\label{{{label}}}\\",
        *_head(columns),
        r"\endfirsthead",
        *_head(columns),
        r"\endhead",
        r"\bottomrule",
        r"\endlastfoot",
        *body,
        r"\end{longtable}",
        r"\endgroup",
    ]


def _caption(report: ReportInput, same: Sequence[str], *, marked: bool, shown_difference: bool) -> str:
    table = report.table
    fixed = ", ".join(f"{title(name)} {cell_text(name, table[name].iloc[0]) or '–'}" for name in same)
    sentences = [latex_text(f"Variants of sweep {report.sweep.run_id[:8]}{f': {fixed}' if fixed else ''}.")]
    if shown_difference:
        sentences.append(
            r"$\Delta$ is the difference to float32 of the same training, with its 95\,\% interval over independent "
            "groups of test images."
        )
    if "finetune" in set(table["training_kind"]):
        sentences.append(
            "The control (finetune) is a float fine-tune of the same budget as quantization-aware training."
        )
    if marked:
        of = "of each part" if report.view.group_by else "of each column"
        sentences.append(f"The best {of} on the test images, controls aside, is in bold.")
    sentences += [latex_text(line) for line in reference_lines(table, report.view.decimals)]
    return " ".join(sentences)
