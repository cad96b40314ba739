"""The report as a page: what is in it, what must never be, and how large it is."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from stored_sweep import CLASSES, PALETTE, samples, stored_sweep

from segsweep.data.dataset import IGNORE
from segsweep.evaluation.flips import flips
from segsweep.report.comparison import compare
from segsweep.report.formats.report_input import ReportInput, View
from segsweep.report.html.certainty import certainty, class_table
from segsweep.report.html.galleries import flip_words, gallery
from segsweep.report.html.images import dark, mask_uri, photo_uri
from segsweep.report.html.overview import overview
from segsweep.report.html.page import to_html
from segsweep.report.html.provenance import provenance
from segsweep.report.html.rows import page_table
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(f"sqlite:///{tmp_path}/mlflow.db", "segsweep")


def report_of(store: Store, view: View | None = None, **how) -> ReportInput:
    sweep = stored_sweep(store, **how)
    found = compare(store, sweep)
    return ReportInput(found.table, found.runs, store, sweep, view or View())


class _Reader(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("page")
    store = Store.open(f"sqlite:///{folder}/mlflow.db", "segsweep")
    return to_html(report_of(store, widths=(8, 16, 24), failing=(24,)))


class TestPage:
    def test_nothing_of_a_name_or_message_becomes_markup(self, page):
        reader = _Reader(page)
        assert len(reader.of("script")) == 1
        assert not [tag for tag, _ in reader.tags if tag in ("unet", "b>")]
        assert not [attributes for _, attributes in reader.tags if any(name.startswith("on") for name in attributes)]
        assert not [attributes for _, attributes in reader.tags if "style" in attributes]
        texts = "".join(reader.texts)
        for name in (
            *CLASSES,
            "fields <unet>: 6 jobs",
            "<img src=x onerror=alert(24)>",
            "segsweep run -m 'model.width=8,16'",
        ):
            assert name in texts

    def test_nothing_is_fetched(self, page):
        reader = _Reader(page)
        addresses = [
            str(attributes[name])
            for _, attributes in reader.tags
            for name in ("src", "href", "srcset", "action", "data")
            if attributes.get(name)
        ]
        assert addresses
        assert not [each for each in addresses if not each.startswith(("data:", "#"))]
        assert not re.search(r"url\((?!data:)", page)
        assert "@import" not in page

    def test_only_its_own_script_and_style_may_run(self, page):
        (policy,) = [each["content"] for each in _Reader(page).of("meta") if each.get("http-equiv")]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for tag in ("script", "style"):
            (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy

    def test_pictures_have_words_and_tables_have_heads(self, page):
        reader = _Reader(page)
        assert all(each.get("alt") for each in reader.of("img"))
        assert len(reader.of("caption")) == len(reader.of("table"))
        assert all(each.get("scope") in ("col", "row") for each in reader.of("th"))
        labelled = {each["aria-labelledby"] for each in reader.of("section")}
        ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
        assert labelled <= set(ids)
        assert len(ids) == len(set(ids))

    def test_the_same_runs_give_the_same_page(self, store):
        report = report_of(store, widths=(8,))
        assert to_html(report) == to_html(report)

    def test_rows_that_failed_say_why(self, page):
        texts = " ".join(_Reader(page).texts)
        assert texts.count("onerror=alert(24)") >= 5
        assert "5 of 15 rows failed" in texts

    def test_how_it_was_made(self, page):
        texts = " ".join(" ".join(_Reader(page).texts).split())
        for words in (
            "tensorflow 2.21.0",
            "training.epochs 3",
            "fingerprint, test cc-fields",
            "seeds 0",
            "test images 3",
        ):
            assert words in texts


@pytest.fixture
def without_plots(monkeypatch):
    monkeypatch.setattr("segsweep.report.html.page.PLOTS", {})


class TestUnusualSweeps:
    def test_only_failures(self, store):
        text = to_html(report_of(store, failing=(8, 16)))
        assert "10 of 10 rows failed" in text
        assert "No pictures were logged" in text
        assert 'class="plot' not in text

    def test_without_pictures(self, store, without_plots):
        assert "No pictures were logged" in to_html(report_of(store, pictures=False))

    def test_still_running(self, store, without_plots):
        assert "still running" in to_html(report_of(store, ended=None))

    def test_nothing_listed_yet(self, store):
        report = report_of(store, widths=())
        assert "0 rows" in to_html(report)

    def test_several_data_sets_are_kept_apart(self, store):
        report = report_of(store, data=("fields", "roads"))
        shown = gallery(report)
        assert [each.data for each in shown.images] == ["fields"] * 3 + ["roads"] * 3
        assert [len(each.groups) for each in shown.images] == [2] * 6
        assert [mark.text for row in page_table(report).rows for mark in row.marks].count("best on test") == 2

    def test_runs_of_an_older_version(self, store):
        """They have no versions, no fingerprints, no intervals and no pictures."""
        report = report_of(store, pictures=False)
        old = {
            run_id: type(run)(
                **{
                    **vars(run),
                    "tags": {names.KIND: names.VARIANT, names.TRAINING_KIND: run.tags[names.TRAINING_KIND]},
                    "metrics": {name: run.metrics[name] for name in (names.ACCURACY, names.MEAN_IOU)},
                }
            )
            for run_id, run in report.runs.items()
        }
        table = report.table.copy()
        table.attrs = {}
        for name in ("size_bytes", "latency_p50_ms", "agreement", "delta_mean_iou"):
            table[name] = None
        text = to_html(ReportInput(table, old, store, report.sweep))
        assert "best" in text


class TestTable:
    def test_marks_and_looks(self, store):
        table = page_table(report_of(store))
        marks = {row.cells[0].text: [mark.text for mark in row.marks] for row in table.rows[5:]}
        assert marks["float32"] == ["control"], "the control is the later row of that name"
        assert [mark.text for mark in table.rows[5].marks] == ["best on test", "Pareto: size, latency"]
        place = [column.name for column in table.columns].index("delta_mean_iou")
        # Intervals reach 0.012 above the difference: 0.01 below is noise, 0.02 below is not.
        assert [row.cells[place].look for row in table.rows[:5]] == ["", "noise", "loss", "loss", "loss"]
        assert table.rows[1].cells[place + 1].text == "-0.0150 to +0.0020 ~"
        assert ("rate", "0.01") in table.same
        assert [choice.title for choice in table.choices] == ["variant", "width", "training"]
        assert [place for place, row in enumerate(table.rows) if row.begins_part] == [5]

    def test_parts_as_asked(self, store):
        rows = page_table(report_of(store, View(group_by=("training_kind",)))).rows
        assert [place for place, row in enumerate(rows) if row.begins_part] == [2, 3, 5, 7, 8]

    def test_columns_and_decimals_as_asked(self, store):
        table = page_table(report_of(store, View(columns=("width", "accuracy"), decimals=2)))
        assert [column.title for column in table.columns] == ["width", "accuracy"]
        assert table.rows[0].cells[1].text == "0.88"


class TestCertainty:
    def test_it_says_what_is_noise_and_what_is_not(self, page):
        texts = " ".join(" ".join(_Reader(page).texts).split())
        assert "int8 is within noise of float32 in all 2 trainings" in texts
        assert "qat_int8 loses against float32 beyond noise in all 2 trainings" in texts
        assert "The numbers stand below" in page

    def test_what_quantization_aware_training_gained(self, store):
        gain = certainty(report_of(store)).gain
        assert gain.heads == ("width", "int8", "control float32", "control int8", "qat_int8", "gain")
        # Of width 8, each variant is a hundredth below the one before.
        assert gain.rows[0] == ("8", "0.7700", "0.7500", "0.7400", "0.7600", "+0.0200")

    def test_the_heat_map_is_told_in_numbers(self, store):
        told = class_table(report_of(store))
        assert told.heads[0] == "variant"
        assert set(told.heads[1:]) == set(CLASSES)
        assert {row[0]: row[1] for row in told.rows}["int8"] == "-1.00"

    def test_nothing_to_compare(self, store):
        assert certainty(report_of(store, widths=())).sentences == ()


class TestGallery:
    def test_masks_and_flips_are_those_of_the_runs(self, store):
        shown = gallery(report_of(store))
        assert (shown.trainings, shown.of_trainings) == (2, 2)
        assert [each.index for each in shown.images] == [0, 1, 2]
        best = shown.images[1].groups[0]
        assert best.name == "w16"
        assert [tile.name for tile in best.tiles] == [
            "float32",
            "int8",
            "qat_int8",
            "float32, control",
            "int8, control",
        ]
        truth, before, after = samples(0).truth[1], samples(0).predictions[1], samples(2).predictions[1]
        colours = np.asarray(decoded(best.tiles[2].mask).convert("RGB"))
        np.testing.assert_array_equal(colours, np.array(PALETTE, np.uint8)[after])
        clear = np.asarray(decoded(best.tiles[2].flips).convert("RGBA"))[..., 3] == 0
        where = flips(truth, before, after)
        np.testing.assert_array_equal(clear, where == 0)
        assert best.tiles[2].words.startswith(f"{(where == 1).sum()} gained, {(where == 2).sum()} lost")

    def test_rows_chosen_without_their_baseline_are_compared_with_it_all_the_same(self, store):
        whole = report_of(store)
        table = whole.table[whole.table["quantization"] == "int8"]
        chosen = gallery(ReportInput(table, whole.runs, store, whole.sweep)).images[0].groups[0]
        assert [tile.name for tile in chosen.tiles] == ["int8", "int8, control"]
        assert chosen.tiles[0] == gallery(whole).images[0].groups[0].tiles[1]

    def test_of_many_trainings_the_best_are_shown(self, store, without_plots):
        report = report_of(store, widths=(1, 2, 3, 4, 5, 6))
        shown = gallery(report)
        assert (shown.trainings, shown.of_trainings) == (4, 6)
        assert [group.name for group in shown.images[0].groups] == ["w6", "w5", "w4", "w3"]
        assert "the best 4 of 6 trainings" in " ".join(to_html(report).split())


class TestPictures:
    @pytest.mark.parametrize("colours", [2, 3, 17, 200])
    def test_masks_keep_their_colours(self, colours):
        random = np.random.default_rng(0)
        palette = [tuple(int(c) for c in colour) for colour in random.integers(0, 255, (colours, 3))]
        ids = random.integers(0, colours, (40, 30)).astype(np.uint8)
        ids[0, 0] = IGNORE
        found = np.asarray(decoded(mask_uri(ids, palette)).convert("RGB"))
        np.testing.assert_array_equal(found[1:], np.array(palette, np.uint8)[ids[1:]])
        assert tuple(found[0, 0]) == (128, 128, 128)

    def test_photos_look_as_they_are(self):
        flat = np.full((64, 64, 3), (10, 200, 90), np.uint8)
        np.testing.assert_array_equal(np.asarray(decoded(photo_uri(flat)).convert("RGB")), flat)
        x, y = np.meshgrid(np.arange(256), np.arange(256))
        smooth = np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)
        smooth += np.random.default_rng(0).integers(0, 6, smooth.shape).astype(np.uint8) * (smooth < 240)
        address = photo_uri(smooth)
        assert len(address) < 100_000
        assert np.abs(np.asarray(decoded(address).convert("RGB")).astype(int) - smooth).mean() < 4

    def test_at_night_only_greys_change(self):
        svg = '<svg x="1"><g style="fill: #ffffff; stroke: #000000"/><g style="fill: #d55e00"/></svg>'
        assert dark(svg) == (
            '<svg fill="#e8e8e8" x="1"><g style="fill: #1e1e1e; stroke: #e8e8e8"/><g style="fill: #d55e00"/></svg>'
        )


def test_flips_are_counted_but_for_images_that_have_one_class():
    truth = np.array([[0, 0], [0, 1]])
    assert flip_words(np.array([[1, 1], [2, 0]]), truth) == "2 gained, 1 lost of 4 pixels"
    assert flip_words(np.zeros((2, 2)), truth) == "none of 4 pixels"
    whole = np.ones((2, 2))
    assert [flip_words(np.full((2, 2), each), whole) for each in (0, 1, 2, 3)] == [
        "unchanged", "gained", "lost", "changed",
    ]  # fmt: skip


def test_the_head_names_what_the_validation_and_what_the_test_images_prefer(store):
    report = report_of(store)
    table = report.table.copy()
    place = table.index[(table["quantization"] == "int8") & (table["training_kind"] == "float")][0]
    table.loc[place, "validation_mean_iou"] = 0.99
    _, chosen, tested = overview(replace(report, table=table)).facts
    label = f"w{table.at[place, 'width']} int8"
    assert f"The highest validation mean IoU, 0.9900, has {label}" in chosen
    assert f"its test mean IoU is {table.at[place, 'mean_iou']:.4f}" in chosen
    assert tested.startswith("The highest test mean IoU, ")
    assert label not in tested


def test_a_failed_row_hides_no_winner(store):
    report = report_of(store)
    table = report.table.copy()
    failed = table.index[table["status"] == "FINISHED"][-1]
    table.loc[failed, ["status", "run_id"]] = "FAILED", "another run"
    table.loc[failed, "validation_mean_iou"] = None
    facts = overview(replace(report, table=table)).facts
    assert any(fact.startswith("The highest validation mean IoU") for fact in facts)


def test_a_command_of_an_older_version_can_be_pasted(store):
    report = report_of(store)
    report.sweep.tags[names.COMMAND] = "'segsweep run' -m model.width=8"
    assert provenance(report).command == "segsweep run -m model.width=8"
