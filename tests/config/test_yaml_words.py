"""What YAML reads as something else than text, in settings of one's own."""

from pathlib import Path

import numpy as np
import pytest
from shared_cases import made

from segsweep.cli import main

PLAIN = "name: npz\ntrain: train.npz\ntest: test.npz\n"
"""Without the schema, as a person writes it."""
TYPED = "defaults: [npz, _self_]\ntrain: train.npz\ntest: test.npz\n"
"""On top of the choice that there is, which has types."""
FOLDER = "name: image_folder\nroot: .\n"
TYPED_FOLDER = "defaults: [image_folder, _self_]\nroot: .\n"


@pytest.fixture
def folder(workplace):
    """Two archives, and a folder for settings."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 4)):
        x = rng.integers(0, 255, (count, 16, 16, 3)).astype(np.uint8)
        np.savez(f"{part}.npz", X=x, Y=rng.integers(0, 2, (count, 16, 16)).astype(np.uint8))
    Path("conf/data").mkdir(parents=True)
    return workplace


def said(capfd, *words):
    """The one line of an error with exit status 2."""
    status = main(["plan", *words])
    out, err = capfd.readouterr()
    assert status == 2, out
    (line,) = [line for line in err.splitlines() if line]
    assert line.startswith("segsweep: error: ")
    return line


def mine(text):
    Path("conf/data/mine.yaml").write_text(text, encoding="utf-8")
    return ["--config-dir", "conf", "data=mine"]


NO, YES, COLOUR = "put names in quotes, such as 'no'", "put names in quotes, such as 'yes'", "put colours in quotes"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"{PLAIN}classes: [no, yes]\n", f"data.classes: YAML reads no, off and false without quotes as False; {NO}"),
        (f"{PLAIN}classes: [on, a]\n", f"data.classes: YAML reads yes, on and true without quotes as True; {YES}"),
        (f"{TYPED}classes: [no, yes]\n", f"data.classes: YAML reads no, off and false without quotes as False; {NO}"),
        (f"{PLAIN}classes: [a, ~]\n", "data.classes: YAML reads null, ~ and nothing as no value; put text in quotes"),
        (f"{TYPED}classes: [a, null]\n", "YAML reads null, ~ and nothing as no value; put text in quotes"),
        (f"{PLAIN}classes: [a, b]\nignore: [off]\n", f"data.ignore: YAML reads no, off and false .*; {NO}"),
        (f"{PLAIN}classes: [a, b]\nmerge: {{yes: [a, b]}}\n", f"data.merge: YAML reads yes, on and true .*; {YES}"),
        (f"{PLAIN}classes: [a, b]\nmerge: {{x: [no]}}\n", f"data.merge.x: YAML reads no, off and false .*; {NO}"),
        (f"{FOLDER}ids: {{no: 0, yes: 1}}\n", f"data.ids: YAML reads no, off and false without quotes as False; {NO}"),
        (f"{TYPED_FOLDER}ids: {{no: 0, yes: 1}}\n", "YAML reads yes, no, on and off as booleans; put them in quotes"),
        (f"{FOLDER}palette: {{no: '#000000', a: '#FFFFFF'}}\n", f"data.palette: YAML reads no, off and .*; {NO}"),
        (
            f"{PLAIN}classes: ground, roof\n",
            r"data.classes=ground, roof is a text; it must be a list: \[ground, roof\]",
        ),
        (f"{TYPED}classes: ground, roof\n", r"it must be a list, such as \[ground, roof\]"),
        (f"{PLAIN}classes: [a, b]\nmerge: {{x: a}}\n", r"data.merge.x=a is a text; it must be a list: \[a\]"),
        (f"{FOLDER}palette:\n  ground: #000000\n", f"data.palette.ground is empty: # begins a comment .*; {COLOUR}"),
        (f"{TYPED_FOLDER}palette:\n  ground: #000000\n", f"# begins a comment in YAML; {COLOUR}, such as '#3C1098'"),
        (
            f"{FOLDER}palette: {{ground: #000000, roof: #FFFFFF}}\n",
            f"mine.yaml.*a # without quotes begins .*; {COLOUR}",
        ),
    ],
)
@pytest.mark.parametrize("multirun", [[], ["-m"]])
def test_what_yaml_reads_as_something_else_is_said_with_the_remedy(folder, capfd, text, complaint, multirun):
    import re

    assert re.search(complaint, said(capfd, *multirun, *mine(text)))


@pytest.mark.parametrize("head", [PLAIN, TYPED])
@pytest.mark.parametrize("classes", ["['no', 'yes']", "[ground, roof]", "[0, 1]", "['null', \"~\"]"])
def test_the_remedies_work(folder, capfd, head, classes):
    assert main(["plan", *mine(f"{head}classes: {classes}\n")]) == 0


def test_quoted_colours_are_read(folder, capfd):
    assert "no file in" in said(capfd, *mine(f"{FOLDER}palette: {{no_roof: '#000000', roof: '#FFFFFF'}}\n"))


def test_names_in_quotes_may_be_true_and_false_where_nothing_was_converted(folder):
    assert main(["plan", *mine(f"{PLAIN}classes: ['False', 'True']\n")]) == 0


@pytest.mark.parametrize(
    ("value", "complaint"),
    [("[no,yes]", ""), ("[true,false]", "YAML reads yes, on and true"), ("ground", "must be a list, such as")],
)
def test_the_command_line_reads_words_as_hydra_does(folder, capfd, value, complaint):
    words = ["data=npz", "data.train=train.npz", "data.test=test.npz", f"data.classes={value}"]
    if complaint:
        assert complaint in said(capfd, *words)
    else:
        assert main(["plan", *words]) == 0


@pytest.mark.parametrize(("encoding", "line"), [("latin-1", 5), ("utf-16", 1)])
@pytest.mark.parametrize("flag", [["--config-dir", "conf"], ["--config-dir=conf"], ["-cd", "conf"]])
def test_files_that_are_not_utf8_are_named(folder, capfd, encoding, line, flag):
    Path("conf/data/mine.yaml").write_bytes(f"# mine\n{PLAIN}classes: [ground, straße]\n".encode(encoding))
    Path("conf/data/other.yaml").write_text(PLAIN)
    assert f"conf/data/mine.yaml: is not UTF-8 (line {line}); save it as UTF-8" in said(capfd, *flag, "data=mine")


def test_a_byte_order_mark_and_umlauts_are_read(folder):
    Path("conf/data/mine.yaml").write_text(f"{PLAIN}classes: [ground, straße]\n", encoding="utf-8-sig")
    assert main(["plan", "--config-dir", "conf", "data=mine"]) == 0


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        ("booleans", "put names in quotes, such as 'no'"),
        ("colours", "# begins a comment in YAML; put colours in quotes"),
        ("one_string", "it must be a list: [ground, roof]"),
        ("latin1", "latin1.yaml: is not UTF-8 (line 4); save it as UTF-8"),
    ],
)
def test_the_shared_cases_get_one_line_each(folder, capfd, choice, complaint):
    root = made("yaml_words", folder)
    assert complaint in said(capfd, "--config-dir", str(root / "conf"), f"data={choice}")
