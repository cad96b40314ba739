"""What stands under a table of the references of its data, and what is said of rows that do not beat them."""

import json
import re

import pytest
from made_sweeps import Row, fingerprints_of, make_sweep, scored

from segsweep.report.comparison import compare, find_sweep
from segsweep.report.formats.report_input import ReportInput, View
from segsweep.report.formats.table import FORMATS
from segsweep.report.references import reference_lines
from segsweep.report.selection import chosen_rows, parse_condition
from segsweep.tracking import names
from segsweep.tracking.store import Store

LINE = (
    "For comparison: always the commonest class: accuracy 0.5710, mean IoU 0.2900; a linear classifier of single "
    "pixels: accuracy 0.6600, mean IoU 0.4800."
)


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def store(database, request) -> Store:
    return Store.open(database, re.sub(r"\W", " ", request.node.name))


def make_references(store, test="test images", commonest=(0.571, 0.29), linear=(0.66, 0.48)) -> str:
    """References as a sweep leaves them; the tag with their keys."""
    keys = []
    for name, (accuracy, mean_iou) in (("commonest_class", commonest), ("linear_pixels", linear)):
        keys.append(f"{name} of {test}")
        tags = {
            names.REFERENCE_NAME: name,
            names.REFERENCE_KEY: keys[-1],
            names.DATA_FINGERPRINT: json.dumps(fingerprints_of(test)),
        }
        with store.run(names.REFERENCE, name, parent=None, tags=tags, params={}) as run_id:
            store.log(run_id, metrics={names.ACCURACY: accuracy, names.MEAN_IOU: mean_iou})
    return json.dumps(keys)


def against(accuracy=0.1, mean_iou=0.1, reference="linear_pixels", half: float | None = 0.05):
    """Metrics of a row's differences to a reference."""
    found = {names.against(reference, "accuracy"): accuracy, names.against(reference, "mean_iou"): mean_iou}
    if half is not None:
        found |= {f"{name}_low": value - half for name, value in found.items()} | {
            f"{name}_high": value + half for name, value in found.items()
        }
    return found


def report_of(store, rows, view=None, **tags) -> ReportInput:
    make_sweep(store, rows, **tags)
    sweep = find_sweep(store, None)
    found = compare(store, sweep)
    return ReportInput(found.table, found.runs, store, sweep, view or View())


def remarks_of(store, *rows):
    return report_of(store, rows, **{names.REFERENCES: make_references(store)}).table.attrs["remarks"]


def test_they_stand_under_the_table_of_every_format_that_people_read(store):
    report = report_of(store, [Row(metrics=scored(0.7))], **{names.REFERENCES: make_references(store)})
    markdown = str(FORMATS["md"].write(report))
    assert markdown.index("| float32") < markdown.index(LINE)
    assert LINE in str(FORMATS["latex"].write(report))
    assert f'<p class="references">{LINE}</p>' in str(FORMATS["html"].write(report))
    row = json.loads(FORMATS["json"].write(report))
    assert len(row) == 1
    assert not [name for name in row[0] if "reference" in name or "against" in name]


def test_digits_are_those_asked_for(store):
    report = report_of(
        store, [Row(metrics=scored(0.7))], View(decimals=2), **{names.REFERENCES: make_references(store)}
    )
    assert "accuracy 0.57, mean IoU 0.29; a linear" in str(FORMATS["md"].write(report))


def test_a_sweep_without_any_says_nothing(store):
    make_references(store)
    report = report_of(store, [Row(metrics=scored(0.7))])
    assert reference_lines(report.table) == []
    assert report.table.attrs["remarks"] == []
    assert "For comparison" not in str(FORMATS["html"].write(report))


@pytest.mark.parametrize("tag", ["not json", '{"a": 1}', "3", '["gone"]'])
def test_a_tag_that_somebody_changed_says_nothing(store, tag):
    assert reference_lines(report_of(store, [Row(metrics=scored(0.7))], **{names.REFERENCES: tag}).table) == []


def test_each_data_has_its_own_line(store):
    rows = [Row(data=data, test=data, metrics=scored(0.7)) for data in ("fields", "roads")]
    tags = [json.loads(make_references(store, data, linear=(score, score))) for data, score in
            (("fields", 0.5), ("roads", 0.6))]  # fmt: skip
    report = report_of(store, rows, **{names.REFERENCES: json.dumps([*tags[0], *tags[1]])})
    first, second = reference_lines(report.table)
    assert first.startswith("For comparison (data fields): always")
    assert first.endswith("accuracy 0.5000, mean IoU 0.5000.")
    assert second.startswith("For comparison (data roads): always")
    assert second.endswith("accuracy 0.6000, mean IoU 0.6000.")
    # Of a part of the rows, only those of its data.
    (alone,) = reference_lines(chosen_rows(report.table, [parse_condition("data=roads")]))
    assert alone == second.replace(" (data roads)", "")


def test_nothing_is_said_of_rows_that_are_better(store):
    both = against() | against(reference="commonest_class")
    assert remarks_of(store, Row(metrics=scored(0.7, **both)), Row("int8", metrics=scored(0.7, **both))) == []


def test_rows_that_are_worse_or_within_noise_are_named(store):
    rows = [
        Row(width=8, metrics=scored(0.7, **against(0.1, 0.04))),  # 0.04 - 0.05 < 0
        Row("int8", width=8, metrics=scored(0.7, **against(-0.3, -0.3))),
        Row(width=16, metrics=scored(0.7, **against())),
        Row("int8", width=16, metrics=scored(0.7, **against())),
    ]
    assert remarks_of(store, *rows) == [
        "1 of 4 rows do not beat a linear classifier of single pixels beyond noise in accuracy: int8 (w8).",
        "2 of 4 rows do not beat a linear classifier of single pixels beyond noise in mean IoU: float32 (w8), "
        "int8 (w8).",
    ]


def test_what_holds_for_all_rows_names_none(store):
    worse = against(-0.1, -0.1) | against(reference="commonest_class")
    rows = [Row(width=width, metrics=scored(0.7, **worse)) for width in (8, 16)]
    assert remarks_of(store, *rows) == [
        "No row beats a linear classifier of single pixels beyond noise in accuracy and mean IoU."
    ]


def test_many_rows_are_summed_up(store):
    rows = [Row(width=width, metrics=scored(0.7, **against(-0.1, -0.1))) for width in range(1, 28)]
    (remark,) = remarks_of(store, Row(width=99, metrics=scored(0.7, **against())), *rows)
    assert remark == (
        "27 of 28 rows do not beat a linear classifier of single pixels beyond noise in accuracy and mean IoU: "
        "float32 (w1), float32 (w2), float32 (w3), float32 (w4) and 23 more."
    )


def test_controls_and_failed_rows_do_not_count(store):
    rows = [
        Row(metrics=scored(0.7, **against())),
        Row("int8", "finetune", metrics=scored(0.7, **against(-0.1, -0.1))),
        Row("int8", status="FAILED", metrics=scored(0.7, **against(-0.1, -0.1))),
    ]
    assert not [remark for remark in remarks_of(store, *rows) if "linear" in remark]


def test_without_an_interval_rows_cannot_be_told_apart(store):
    assert remarks_of(store, Row(metrics=scored(0.7, **against(half=None)))) == [
        "No row can be told apart from a linear classifier of single pixels in accuracy and mean IoU; the test images "
        "are too few to say."
    ]
