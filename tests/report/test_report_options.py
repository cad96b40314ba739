"""The words after `segsweep report`."""

from pathlib import Path

import pytest

from segsweep.errors import SegsweepError
from segsweep.report.options import report_options


def test_defaults_are_those_of_the_contract():
    options = report_options([])
    assert (options.format, options.output, options.sweep, options.where) == ("md", None, None, ())
    assert (options.columns, options.added, options.removed, options.decimals) == (None, (), (), None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("t.md", "md"), ("t", "md"), ("t.txt", "md"), ("T.CSV", "csv"), ("t.json", "json"), ("t.tex", "latex"),
     ("t.xlsx", "xlsx"), ("t.html", "html")],
)  # fmt: skip
def test_the_name_of_the_file_says_the_format(name, expected):
    assert report_options(["--output", name]).format == expected
    assert report_options(["--output", name, "--format", "csv"]).format == "csv"


def test_signs_at_the_beginning_are_no_options():
    for words in (["--sort", "-size_bytes,accuracy"], ["--sort=-size_bytes,accuracy"]):
        assert report_options(words).sort == (("size_bytes", True), ("accuracy", False))
    options = report_options(["--columns", "-ms,+test/iou_a b", "--figures", "plots", "--group-by", "width, seed"])
    assert (options.added, options.removed) == (("test/iou_a b",), ("ms",))
    assert (options.figures, options.group_by) == (Path("plots"), ("width", "seed"))
    assert report_options(["--columns", "a,b"]).columns == ("a", "b")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "xlsx"], "add --output FILE.xlsx"),
        (["--output", "t.pdf"], ".pdf says no format"),
        (["--columns", "a,+b"], "either the columns to show"),
        (["--columns", "a,,b"], "an empty name"),
        (["--columns", ""], "an empty name"),
        (["--sort", "-"], "an empty name"),
        (["--sort", "a,-a"], "a is there twice"),
        (["--columns", "+a,-a"], "a is there twice"),
        (["--decimals", "11"], "0 to 10"),
        (["--decimals", "x"], "--decimals"),
        (["--sort", "--force"], "--sort"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_read(words, said):
    with pytest.raises(SegsweepError) as error:
        report_options(words)
    assert said in str(error.value)
