"""`segsweep profile` on files and runs: what it says, keeps and refuses."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from handmade_models import convolution, weights
from hostile_models import endless, enormous
from PIL import Image

from segsweep.cli import main
from segsweep.tracking import names
from segsweep.tracking.store import Store

FAST = ["--seconds", "0.2"]


@pytest.fixture
def model(workplace: Path) -> Path:
    """A file of a convolution and a softmax."""
    path = workplace / "model.tflite"
    path.write_bytes(convolution(*weights(4, 3, side=3), softmax=True))
    return path


def make_run(content: bytes | None, kind: str = names.VARIANT, path: str = names.MODEL_FILE) -> str:
    """A finished run with a file, in the default store."""
    store = Store.open("sqlite:///mlruns/mlflow.db", "segsweep")
    run_id = store.create_run(kind, "unet int8", parent=None, tags={}, params={})
    if content is not None:
        store.log(run_id, tags=store.upload(run_id, {path: content}))
    store.finish(run_id, "FINISHED")
    return run_id


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("segsweep: error: ")
    return line


def test_a_file_is_profiled_and_written_as_csv(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["profile", str(model), *FAST, "--csv", "operators.csv"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "1 thread, xnnpack kernels" in said.out
    assert "CONV_2D" in said.out
    with open("operators.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["operator"] for row in rows] == ["CONV_2D", "SOFTMAX"]
    assert [int(row["macs"]) for row in rows] == [32 * 32 * 9 * 4 * 3, 0]
    assert all(float(row["microseconds"]) > 0 for row in rows)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-4)
    assert sorted(path.name for path in Path().iterdir()) == ["model.tflite", "operators.csv"], "and no store is made"

    assert main(words) == 2
    assert "operators.csv: the file exists; give another name, or --force" in complaint(capsys)
    assert main([*words, "--force", "--threads", "2", "--top", "1"]) == 0
    said = capsys.readouterr()
    assert "2 threads" in said.out
    assert "the other 1" in said.out


@pytest.mark.parametrize(("kind", "path"), [(names.VARIANT, names.MODEL_FILE), (names.SEARCH, "search/chosen.tflite")])
def test_what_is_found_of_a_run_is_kept_on_it(
    workplace: Path, capsys: pytest.CaptureFixture[str], kind: str, path: str
) -> None:
    run_id = make_run(convolution(*weights(4, 3, side=3), softmax=True), kind, path)
    assert main(["profile", run_id[:8], *FAST, "--top", "1"]) == 0
    assert f"Kept on run {run_id}: profile/operators.md" in capsys.readouterr().out
    store = Store.open_to_read("sqlite:///mlruns/mlflow.db", "segsweep")
    run = store.get(run_id)

    def kept(ending: str) -> bytes:
        content = store.artifacts.read(run, f"profile/operators.{ending}")
        assert content is not None
        return content

    found = json.loads(kept("json"))
    assert [each["name"] for each in found["operators"]] == ["CONV_2D", "SOFTMAX"]
    assert len(list(csv.DictReader(io.StringIO(kept("csv").decode())))) == 2
    assert "SOFTMAX" in kept("md").decode().split("By kind")[0], "all of them, whatever --top says"
    Image.open(io.BytesIO(kept("png"))).verify()
    assert store.artifacts.are_intact(run)


def test_hostile_files_cost_one_line(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("endless.tflite").write_bytes(endless())
    assert main(["profile", "endless.tflite", "--timeout", "3"]) == 2
    assert "endless.tflite: gave no answer within 3 s, so it was stopped" in complaint(capsys)
    Path("enormous.tflite").write_bytes(enormous())
    assert main(["profile", "enormous.tflite"]) == 2
    assert "enormous.tflite: " in complaint(capsys)


def test_wrong_words_are_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.tflite").write_text("no model at all")
    lost = make_run(None)
    training = make_run(b"weights", names.TRAINING, "weights/weights.npz")
    store = Store.open("sqlite:///mlruns/mlflow.db", "segsweep")
    ensemble = make_run(None)
    store.log(ensemble, tags={names.ENSEMBLE_MEMBERS: '["one", "other"]'})
    cases = {
        ("text.tflite",): "text.tflite: not a .tflite file",
        ("none.tflite",): "none.tflite: cannot be read (No such file or directory)",
        (str(model), "--threads", "0"): "--threads 0: must be a number from 1 to 256",
        (str(model), "--top", "0"): "--top 0: must be 1 or more",
        (str(model), "--seconds", "nan"): "--seconds nan: must be seconds from 0.1 to 3600",
        (str(model), "--timeout", "0"): "--timeout 0: must be seconds, 1 or more",
        (str(model), "--csv", "no/such/folder.csv"): "--csv no/such/folder.csv: there is no folder no/such; make it",
        (training,): f"RUN {training}: no variant or search in segsweep has an id that begins so",
        ("",): "RUN : 2 runs have ids that begin so; give more of it",
        (lost,): "its model/model.tflite is missing or damaged",
        (ensemble,): "is an ensemble, which has no file; give one of one, other",
    }
    for words, wanted in cases.items():
        assert main(["profile", *words]) == 2, words
        assert wanted in capsys.readouterr().err.splitlines()[-1], words


def test_it_needs_no_tensorflow(model: Path) -> None:
    script = (
        "import sys; from segsweep.cli import main; "
        f"status = main(['profile', {str(model)!r}, '--seconds', '0.1']); "
        "sys.exit(status or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0
