"""Rows, columns and their order as the command line asks for them."""

import pandas as pd
import pytest

from segsweep.errors import SegsweepError
from segsweep.report.selection import chosen_rows, parse_condition, sorted_rows, with_columns
from segsweep.tracking.records import RunRecord


@pytest.fixture
def table() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "width": [8, 8, 16, 16],
            "learning_rate": [0.001, 0.01, 0.001, 0.01],
            "quantization": ["int8", "float32", "qat_int8", "custom"],
            "data.size": ["[64, 64]", "[64, 64]", "[96, 96]", None],
            "training.xla": [True, False, True, False],
            "mean_iou": [0.7, 0.8, None, 0.75],
            "run_id": ["a", "b", "c", None],
        },
        dtype=object,
    )
    frame.attrs["kept"] = {"a": 1}
    return frame


@pytest.mark.parametrize(
    ("conditions", "rows"),
    [
        (["quantization=int8,qat_int8"], [0, 2]),
        (["quantization!=int8,qat_int8"], [1, 3]),
        (["width=8"], [0, 1]),
        (["width=8.0", "learning_rate=1e-2"], [1]),
        (["learning_rate=0.001"], [0, 2]),
        (['data.size="[64, 64]"'], [0, 1]),
        (['data.size="[64, 64]","[96, 96]"'], [0, 1, 2]),
        (["data.size="], [3]),
        (["mean_iou="], [2]),
        (["mean_iou!="], [0, 1, 3]),
        (["mean_iou>=0.75"], [1, 3]),
        (["mean_iou > 0.75"], [1]),
        (["mean_iou<=0.75"], [0, 3]),
        (["mean_iou<.75"], [0]),
        (["training.xla=true"], [0, 2]),
        ([], [0, 1, 2, 3]),
    ],
)
def test_conditions(table, conditions, rows):
    chosen = chosen_rows(table, [parse_condition(text) for text in conditions])
    assert list(chosen.index) == rows
    assert chosen.attrs == table.attrs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width", "COLUMN=VALUE"),
        ("=8", "COLUMN=VALUE"),
        ("width>a", "takes a number"),
        ("width>", "takes a number"),
        ("width>1,2", "takes one number"),
        ("width==8", "no row has width =8; there are 8, 16"),
        ("width=8,9", "no row has width 9; there are 8, 16"),
        ("quantization=__import__('os')", "no row has quantization __import__('os')"),
        ("mean_iou>0.9", "no row of the 4 is left"),
    ],
)
def test_a_wrong_condition_says_what_would_be_right(table, text, said):
    with pytest.raises(SegsweepError) as error:
        chosen_rows(table, [parse_condition(text)])
    assert said in str(error.value)
    assert text in str(error.value)


def test_order(table):
    def order(*keys: tuple[str, bool], group_by=()) -> list[object]:
        return list(sorted_rows(table, keys, group_by)["run_id"])

    assert order() == ["a", "b", "c", None]
    assert order(("mean_iou", False)) == ["a", None, "b", "c"]
    assert order(("mean_iou", True)) == ["b", None, "a", "c"], "an empty cell comes last either way"
    assert order(("learning_rate", True), ("width", False)) == ["b", None, "a", "c"]
    assert order(("width", True)) == ["c", None, "a", "b"], "equal ones stay in their order"
    assert order(("quantization", False)) == ["b", "a", "c", None], "variants as segsweep lists them"
    assert order(("mean_iou", True), group_by=["learning_rate"]) == ["b", None, "a", "c"]
    assert order(("mean_iou", False), group_by=["width"]) == ["a", "b", None, "c"]


def run(metrics, params) -> RunRecord:
    return RunRecord("a", "a", "FINISHED", 0, 1, "", {}, params, metrics)


def test_metrics_and_settings_are_columns_when_asked_for(table):
    runs = {"a": run({"test/iou_水": 0.5}, {"training.epochs": "30", "loss.name": "dice"}), "b": run({}, {})}
    wanted = [("--columns", name) for name in ("width", "test/iou_水", "training.epochs", "loss.name")]
    wide = with_columns(table, runs, wanted)
    assert list(wide.columns) == [*table.columns, "test/iou_水", "training.epochs", "loss.name"]
    assert list(wide.loc[0, ["test/iou_水", "training.epochs", "loss.name"]]) == [0.5, 30, "dice"]
    assert wide["test/iou_水"].isna().tolist() == [False, True, True, True]
    assert wide.attrs == table.attrs
    with pytest.raises(SegsweepError, match="--sort speed: no such column; there are width, learning_rate"):
        with_columns(table, runs, [("--sort", "speed")])
