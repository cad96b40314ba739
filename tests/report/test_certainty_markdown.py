"""What Markdown says beside its table: what is missing and why, how sure the rest is."""

import re

import pytest
from made_sweeps import Row, make_sweep, scored

from segsweep.cli import main
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    """One for all: making the tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def store(database, request, monkeypatch) -> Store:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    return Store.open(database, re.sub(r"\W", " ", request.node.name))


def report(store: Store, capsys, *options: str) -> str:
    assert main(["report", "--experiment", store.experiment, *options]) == 0
    return capsys.readouterr().out


def test_why_rows_failed_stands_beneath_the_table(store, capsys):
    reason = "ValueError: class <script>alert(1)</script> | Straße_1 & 水 100 % is `odd`"
    rows = [
        Row(metrics=scored(0.7)),
        Row("int8", width=16, status="FAILED", listed="FAILED", reason=reason),
        *(Row("int16x8", width=width, status=None, listed="FAILED", reason="disk full") for width in range(20, 26)),
    ]
    make_sweep(store, rows)
    text = report(store, capsys)
    table, _, beneath = text.partition("\n\n- FAILED")
    assert "disk full" not in table
    assert (
        r"int8 (w16): ValueError: class &lt;script&gt;alert(1)&lt;/script&gt; \| Straße_1 &amp; 水 100 % is \`odd\`"
    ) in beneath
    assert "- FAILED int16x8 (w20), int16x8 (w21), int16x8 (w22), int16x8 (w23) and 2 more: disk full" in beneath
    # A cell that ends where it should: each line has as many of them as the head.
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_names_of_any_kind_are_shown_as_they_are(store, capsys):
    odd = "<script>|_a_ & 水田 100 %"
    make_sweep(store, [Row(data=odd, metrics=scored(0.7)), Row(data="plain", metrics=scored(0.7))])
    text = report(store, capsys)
    assert r"&lt;script&gt;\|\_a\_ &amp; 水田 100 %" in text
    assert "<script>" not in text


def test_what_is_not_complete_is_said_first(store, capsys):
    rows = [Row(metrics=scored(0.7)), Row("int8", status=None, listed=None)]
    make_sweep(store, rows, status="RUNNING")
    text = report(store, capsys)
    assert text.startswith("The sweep is still running: 1 of 2 rows are done.\n\n")
    assert "| PENDING" in text


def test_an_empty_sweep_is_a_sentence(store, capsys):
    store.finish(store.create_run(names.SWEEP, "a sweep", parent=None, tags={}, params={}), "FAILED")
    assert report(store, capsys) == "The sweep has no rows: it ended as FAILED before it had listed any.\n"
    head = report(store, capsys, "--format", "csv")
    assert head.startswith("data,model,width")
    assert head.count("\n") == 1
    assert report(store, capsys, "--format", "json").strip() == "[]"


def test_a_single_seed_is_judged_in_words(store, capsys):
    rows = [
        Row(metrics=scored(0.7)),
        Row("int8", metrics=scored(0.69, -0.01, 0.005)),
        Row("float16", metrics=scored(0.7, 0.0, 0.005)),
    ]
    make_sweep(store, rows)
    text = report(store, capsys)
    assert "- int8 loses 1.00 points of mean IoU against float32 (95 % interval -1.50 to -0.50)." in text
    assert "- float16 is within noise of float32" in text
    assert "standard deviation" not in text


def test_each_difference_has_its_own_interval(store, capsys):
    of_accuracy = {names.DELTA_ACCURACY_LOW: 0.002, names.DELTA_ACCURACY_HIGH: 0.004}
    make_sweep(store, [Row(metrics=scored(0.7)), Row("int8", metrics=scored(0.69, 0.003, 0.005, **of_accuracy))])
    text = report(store, capsys, "--columns", "quantization,delta_accuracy,delta_mean_iou")
    (line,) = [line for line in text.splitlines() if line.startswith("| int8")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["int8", "+0.0030", "+0.0020 to +0.0040", "+0.0030", "-0.0020 to +0.0080 ~"]
    assert "`~`" in text
    assert "`~`" not in report(store, capsys, "--columns", "quantization,delta_accuracy")


def test_several_seeds_have_a_table_of_their_own(store, capsys):
    deltas = (-0.01, -0.012, -0.008)
    rows = [Row(seed=seed, metrics=scored(0.7 + seed / 100)) for seed in range(3)]
    rows += [
        Row("int8", seed=seed, metrics=scored(0.7 + seed / 100 + delta, delta, 0.001))
        for seed, delta in enumerate(deltas)
    ]
    rows.append(Row(width=16, metrics=scored(0.8)))
    make_sweep(store, rows)
    text = report(store, capsys, "--decimals", "3")
    part = text.partition("Over several seeds, mean ± standard deviation:")[2]
    (line,) = [line for line in part.splitlines() if line.startswith("|") and "int8" in line]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    # By hand: 0.69, 0.698, 0.712 have the standard deviation 0.0111, the differences 0.002; t(2) at 97.5 % is 4.303,
    # 4.303 * 0.002 / sqrt(3) = 0.005, and sqrt(3) * 0.01 / 0.002 = 8.66 is passed with p = 0.013.
    differences = ["-0.010 ± 0.002", "-0.015 to -0.005", "0.013", "0.013"]
    assert cells[1:] == ["float", "3", "0.800 ± 0.011", "0.700 ± 0.011", *differences]
    assert "| 16" not in part
    assert "int8 with width 8 loses 1.00 points of mean IoU against float32 on average of 3 seeds" in part


def test_the_gain_has_its_interval(store, capsys):
    rows = [
        Row(metrics=scored(0.7)),
        Row("int8", "finetune", metrics=scored(0.71, 0.01, 0.02)),
        Row("qat_int8", "qat", metrics=scored(0.72, 0.02, 0.01)),
    ]
    _, (_, control, qat) = make_sweep(store, rows)
    assert "95 % interval" not in report(store, capsys).partition("gained")[2].partition("How sure")[0]
    ends = {names.GAIN_MEAN_IOU_LOW: -0.004, names.GAIN_MEAN_IOU_HIGH: 0.024}
    store.log(qat, metrics=ends, tags={names.GAIN_AGAINST: control})
    text = report(store, capsys).partition("gained")[2]
    assert "-0.0040 to +0.0240 ~" in text
    assert "Quantization-aware training is within noise of the int8 file of its control: +1.00 points" in text


def test_rows_of_different_data_are_said_not_to_compare(store, capsys):
    make_sweep(store, [Row(data="a", metrics=scored(0.7), test="x"), Row(data="b", metrics=scored(0.6), test="y")])
    assert "Scores of different ones do not compare" in report(store, capsys)


def test_runs_of_an_older_version_are_no_obstacle(store, capsys):
    make_sweep(store, [Row(metrics={names.ACCURACY: 0.5}), Row("qat_int8", "qat", metrics={})])
    text = report(store, capsys)
    assert "0.5000" in text
    for format_ in ("csv", "json"):
        assert "nan" not in report(store, capsys, "--format", format_).lower()
