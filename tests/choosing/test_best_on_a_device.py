"""What `segsweep best` and `segsweep report` say of memory and of devices."""

import json
from dataclasses import asdict, replace

import pytest
from small_store import Row, counts, store_with

from segsweep import load_comparison
from segsweep.cli import main
from segsweep.devices.footprint import Footprint
from segsweep.devices.micro import MicroRun
from segsweep.sweep.objectives import objectives
from segsweep.tracking import names
from segsweep.tracking.store import Store


def asked(arena: int, *problems: str, micro: int | None = None) -> Footprint:
    ran = MicroRun(micro, 1.0, 1.0, "", "1") if micro is not None else None
    return Footprint(50_000, arena, arena, 10**6, ("CONV_2D",), problems, ran)


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    """Of a store with three variants: the better one asks for more, and one runs on no device."""
    address, ids = store_with(
        tmp_path_factory.mktemp("devices"),
        Row("float32", counts(0.90), 400_000),
        Row("float16", counts(0.90), 200_000, baseline="float32 w8"),
        Row("int8", counts(0.85), 100_000, baseline="float32 w8"),
    )
    store = Store.open(address, "segsweep")
    said = {
        "float32 w8": asked(800 * 1024),
        "float16 w8": asked(100 * 1024, "no float16 there"),
        "int8 w8": asked(190 * 1024, micro=200 * 1024),
    }
    for name, footprint in said.items():
        store.log(ids[name], metrics=footprint.metrics(), tags=footprint.tags())
    return address


@pytest.fixture
def run(uri, workplace, capsys):
    """Runs a verb on it; gives exit status, standard output and standard error."""

    def verb(name: str, *options: str) -> tuple[int, str, str]:
        status = main([name, "--tracking-uri", uri, *options])
        return status, *capsys.readouterr()

    return verb


def test_a_footprint_survives_the_store(uri) -> None:
    tags = asked(1, "x", micro=2).tags()
    assert json.loads(next(iter(tags.values()))) == json.loads(json.dumps(asdict(asked(1, "x", micro=2))))


def test_of_those_that_fit_the_device_the_best_is_chosen(run) -> None:
    status, out, err = run("best", "--device", "arduino_nano_33_ble_sense")
    assert (status, out.splitlines()[0]) == (0, "unet w8 int8")
    assert "200.0 KiB, the arena TensorFlow Lite Micro takes" in out
    assert "1 of 3 variants fit" in out
    assert "planned" in err


def test_without_a_device_the_best_is_another(run) -> None:
    assert run("best")[1].startswith("unet w8 float16\n")


def test_memory_is_a_wish_too(run) -> None:
    assert run("best", "--max-memory", "150KiB")[1].startswith("unet w8 float16\n")
    assert run("best", "--max-memory", "1MiB", "--max-size", "150kB")[1].startswith("unet w8 int8\n")


def test_where_nothing_fits_it_says_what_is_missing(run, tmp_path) -> None:
    profile = tmp_path / "small.yaml"
    profile.write_text("title: Small board\nflash_kib: 64\nram_kib: 96\n")
    status, out, err = run("best", "--device", str(profile))
    assert status == 2
    assert "no variant fits --device" in err
    assert err.count("--device") == 1
    assert "no float16 there" in out
    assert "RAM 200.0 KiB, 104.0 KiB too much" in out


def test_a_report_has_a_verdict_for_each_variant(run) -> None:
    status, out, _ = run("report", "--device", "arduino_nano_33_ble_sense", "--columns", "quantization,fits")
    assert status == 0
    assert "The memory of 2 variants is planned" in out
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| ")]
    assert lines[1:] == [
        ["float32", "RAM 544.0 KiB too small"],
        ["float16", "no float16 there"],
        ["int8", "fits"],
    ]
    assert "1024 KiB of flash, 256 KiB of RAM" in out


def test_memory_is_a_column_where_it_is_asked_for(run) -> None:
    assert "arena" not in run("report", "--format", "csv")[1]
    columns = "quantization,arena_bytes,micro_arena_bytes,memory/peak_bytes"
    out = run("report", "--format", "csv", "--columns", columns)[1]
    assert out.splitlines()[3] == f"int8,{190 * 1024}.0,{200 * 1024}.0,{190 * 1024}.0"


def test_a_report_says_where_micro_computes_something_else(workplace, capsys) -> None:
    address, ids = store_with(workplace, Row("float32", counts(0.90), 400_000))
    wrong = asked(1000, micro=2000)
    wrong = replace(wrong, micro=replace(wrong.micro, equal=0.25, same_class=0.995, unequal=("MUL int16",)))
    Store.open(address, "segsweep").log(ids["float32 w8"], metrics=wrong.metrics(), tags=wrong.tags())
    assert main(["report", "--device", "esp32_s3"]) == 0
    out = capsys.readouterr().out
    where = "unet w8 float32 (25.00% are equal; MUL int16 differ)"
    assert f"not all bit for bit those of LiteRT's reference kernels in {where}." in out
    assert main(["best"]) == 0
    assert "25.00% of its output is bit for bit" in capsys.readouterr().out


def test_memory_can_be_an_objective(workplace, capsys) -> None:
    rows = {"float32": (0.90, 900), "float16": (0.90, 1000), "int8": (0.85, 200)}
    address, ids = store_with(workplace, *(Row(name, counts(score), 400_000) for name, (score, _) in rows.items()))
    store = Store.open(address, "segsweep")
    for name, (_, arena) in rows.items():
        store.log(ids[f"{name} w8"], metrics=asked(arena).metrics())
    (sweep,) = store.of_kind(names.SWEEP)
    store.log(sweep.run_id, tags={names.OBJECTIVES: "mean_iou,arena_bytes"})
    assert objectives(["mean_iou", "arena_bytes"]) == {"mean_iou": "maximize", "arena_bytes": "minimize"}
    table = load_comparison(address)
    assert list(table["arena_bytes"]) == [900, 1000, 200]
    assert set(table.attrs["pareto_optimal"]) == {ids["float32 w8"], ids["int8 w8"]}
    assert main(["report"]) == 0
    assert "Pareto-optimal in validation mean IoU, arena KiB" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["best", "report"])
def test_an_unknown_device_is_refused(run, verb: str) -> None:
    status, out, err = run(verb, "--device", "abacus")
    assert (status, out) == (2, "")
    assert "--device abacus: no such device; there are arduino_nano_33_ble_sense, " in err
    assert len(err.splitlines()) == 1
