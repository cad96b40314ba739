"""A variant on its way out of the store: as a model of MLflow's, as a folder, and as a page in a browser."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import mlflow
import numpy as np
import psutil
import pytest
from browser import chromium, complaints
from swept_folder import swept_folder

from segsweep.cli import main
from segsweep.config.data_schema import SyntheticParcelsConfig
from segsweep.data.sources import load_dataset
from segsweep.report.comparison import find_sweep
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tracking import names
from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow

# 30 pixels: of the depth 2 the network takes 32, so what is scored is padded.
DATA = {"size": 30, "train_images": 12, "validation_images": 4, "test_images": 6}
SETTINGS = [
    *(f"data.{name}={value}" for name, value in DATA.items()),
    *("model.depth=1,2", "model.width=3", "training.epochs=1", "training.batch_size=4", "quantization.epochs=1"),
    *("quantization=int8,int16x8", "evaluation.latency.runs=5", "hydra/launcher=basic"),
]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The address of a store with a sweep."""
    folder = swept_folder(tmp_path_factory.mktemp("swept"), *SETTINGS)
    return f"sqlite:///{folder}/mlruns/mlflow.db"


@pytest.fixture
def store(swept, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", swept)
    mlflow.set_tracking_uri(swept)
    yield Store.open_to_read(swept, "segsweep")
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def images():
    """The test images, as they are stored."""
    test = load_dataset(SyntheticParcelsConfig(**DATA)).test
    return test.read(np.arange(len(test)))[0]


def predicted(store, run, images):
    """Class ids as the interpreter gives them, prepared here by hand."""
    dataset = load_dataset(SyntheticParcelsConfig(**DATA))
    model = TFLiteModel(store.artifacts.path(run, names.MODEL_FILE))
    more = model.input_shape[0] - 30
    padded = np.pad(images.astype(np.float32), ((0, 0), (0, more), (0, more), (0, 0)), mode="reflect")
    normalized = (padded - dataset.normalization.mean) / dataset.normalization.std
    return model.predict(normalized)[:, :30, :30]


def test_mlflow_loads_and_runs_every_variant(store, images):
    variants = store.of_kind(names.VARIANT)
    assert len(variants) == 6
    for run in variants:
        model = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model")
        ids = model.predict(images)
        assert (ids.shape, ids.dtype) == ((6, 30, 30), np.uint8)
        assert (ids == predicted(store, run, images)).mean() > 0.999
        assert model.metadata.get_input_schema().inputs[0].shape == (-1, 30, 30, 12)
        assert model.metadata.metadata["classes"] == ["other", "cultivated"]
        with pytest.raises(mlflow.exceptions.MlflowException, match="shape"):
            model.predict(images[..., :3])


def test_a_model_is_loaded_without_tensorflow(swept, store):
    run = store.of_kind(names.VARIANT)[0]
    script = (
        "import sys; sys.modules['tensorflow'] = None; import mlflow; "
        f"mlflow.set_tracking_uri({swept!r}); mlflow.pyfunc.load_model('runs:/{run.run_id}/model')"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0


def test_runs_are_named_for_what_varies(store):
    found = {run.name for kind in (names.TRAINING, names.VARIANT) for run in store.of_kind(kind)}
    expected = {
        f"strided_unet w3 lr0.001 depth{depth} {what}"
        for depth in (1, 2)
        for what in ("float", "float32", "int8", "int16x8")
    }
    assert found == expected


def test_data_sets_are_logged_with_what_they_were_for(store):
    client = mlflow.MlflowClient()
    for kind, wanted in ((names.TRAINING, {"train", "validation"}), (names.VARIANT, {"test"})):
        for run in store.of_kind(kind):
            used = client.get_run(run.run_id).inputs.dataset_inputs
            contexts = {each.tags[0].value: each.dataset for each in used}
            is_calibrated = run.params["quantization.name"] != "float32" and kind == names.VARIANT
            assert set(contexts) == wanted | ({"calibration"} if is_calibrated else set())
            fingerprints = json.loads(run.tags[names.DATA_FINGERPRINT])
            for context, dataset in contexts.items():
                split = "train" if context == "calibration" else context
                assert dataset.name == f"synthetic_parcels {split}"
                assert fingerprints[split].startswith(dataset.digest)
                assert json.loads(dataset.profile)["images"] == DATA[f"{split}_images"]


def test_descriptions_link_sweep_trainings_and_variants(store):
    sweep = find_sweep(store, None)
    variants, trainings = store.of_kind(names.VARIANT), store.of_kind(names.TRAINING)

    def links(run):
        return run.tags[names.NOTE]

    for run in variants:
        assert run.tags[names.PARENT_RUN] in links(run)
        assert sweep.run_id in links(run)
        assert run.run_id in links(sweep)
        assert run.run_id in links(store.get(run.tags[names.PARENT_RUN]))
        assert f"{run.metrics[names.MEAN_IOU]:.4f}" in links(run)
    assert all(sweep.run_id in links(run) for run in trainings)
    table = json.loads(store.artifacts.read(sweep, names.TABLE_FILE))
    assert [row[table["columns"].index("run_id")] for row in table["data"]]
    assert len(table["data"]) == 6


def test_a_description_that_somebody_edited_stays(swept, store, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    edited, other = store.of_kind(names.TRAINING)[:2]
    store.log(edited.run_id, tags={names.NOTE: "mine"})
    store.log(other.run_id, tags={names.LATENCY_HOST: "here"})
    assert main(["run", "-m", *SETTINGS, f"tracking.uri={swept}"]) == 0
    assert store.get(edited.run_id).tags[names.NOTE] == "mine"
    assert store.get(other.run_id).tags[names.NOTE] == other.tags[names.NOTE]
    store.log(edited.run_id, tags={names.NOTE: edited.tags[names.NOTE]})


@pytest.mark.parametrize("quantization", ["float32", "int8", "int16x8"])
def test_an_exported_folder_predicts_alone(store, images, tmp_path, capsys, quantization):
    folder = tmp_path / "to ship"
    options = ["best", "--where", f"quantization={quantization}", "--export", str(folder)]
    assert main(options) == 0
    run_id = capsys.readouterr().out.splitlines()[1].split()[1]
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "labels.txt", "model.tflite", "predict.py"]
    assert list(tmp_path.iterdir()) == [folder], "nothing is left beside it"
    assert (folder / "labels.txt").read_text() == "other\ncultivated\n"

    np.save(tmp_path / "image.npy", images[2])
    # What it says it needs is all that it may find.
    script = (
        "import runpy, sys\n"
        "for name in ('segsweep', 'tensorflow', 'mlflow', 'pandas', 'scipy', 'matplotlib'): sys.modules[name] = None\n"
        f"sys.argv = ['predict.py', {str(tmp_path / 'image.npy')!r}, {str(tmp_path / 'mask.png')!r}]\n"
        f"runpy.run_path({str(folder / 'predict.py')!r}, run_name='__main__')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    from PIL import Image

    ids = np.asarray(Image.open(tmp_path / "mask.png"))
    expected = predicted(store, store.get(run_id), images[2:3])[0]
    # A half is rounded to even here and away from 0 there: of an image that small, a pixel may differ.
    assert (ids == expected).mean() > 0.995
    assert f"{(ids == 1).mean():.2%}  cultivated" in ended.stdout

    card = (folder / "README.md").read_text()
    run = store.get(run_id)
    for fact in (
        *(run.name, run_id, run.sha256[names.MODEL_FILE], "B8A", "cultivated", "training.learning_rate", "95 %"),
        *(f"{run.metrics[name]:.4f}" for name in (names.MEAN_IOU, names.ACCURACY, "test/iou_cultivated")),
        json.loads(run.tags[names.DATA_FINGERPRINT])["test"],
        "chosen by validation mean IoU",
    ):
        assert fact in card, fact


def test_an_export_replaces_nothing_unless_told(store, tmp_path, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert main(["best", "--export", str(folder)]) == 2
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert main(["best", "--export", str(folder), "--force"]) == 0
    assert (folder / "notes.txt").read_text() == "mine"
    assert main(["best", "--export", str(folder)]) == 2
    assert main(["best", "--export", str(folder / "notes.txt")]) == 2
    assert main(["best", "--export", "/proc/nowhere/x"]) == 2
    assert capsys.readouterr().err.count("segsweep: error: --export") == 4


def test_a_damaged_file_is_not_exported(store, tmp_path, capsys):
    assert main(["best"]) == 0
    run = store.get(capsys.readouterr().out.splitlines()[1].split()[1])
    path = store.artifacts.path(run, names.MODEL_FILE)
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + b"?")
        assert main(["best", "--export", str(tmp_path / "out")]) == 2
        assert "missing or damaged" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    finally:
        path.write_bytes(content)


def test_the_registry_gets_a_version_that_predicts(store, images, capsys):
    assert main(["best", "--register", "fields"]) == 0
    assert "models:/fields/1\n" in capsys.readouterr().err
    assert main(["best", "--register", "fields"]) == 0
    assert "models:/fields/1, as which it was registered before" in capsys.readouterr().err
    assert main(["best", "--where", "quantization=float32", "--register", "fields"]) == 0
    assert "models:/fields/2\n" in capsys.readouterr().err
    version = mlflow.MlflowClient().get_model_version("fields", "1")
    assert "Why:" in version.description
    assert version.tags["quantization"] in ("int8", "int16x8")
    assert version.tags["chosen_on"] == "validation"
    assert "Why: chosen by validation mean IoU" in version.description
    expected = predicted(store, store.get(version.run_id), images)
    assert (mlflow.pyfunc.load_model("models:/fields/1").predict(images) == expected).mean() > 0.999


def test_a_run_of_an_older_version_is_made_a_model_when_it_is_registered(store, images, capsys):
    client = mlflow.MlflowClient()
    chosen = {"quantization.name": "int16x8", "model.depth": "2"}
    run = next(run for run in store.of_kind(names.VARIANT) if chosen.items() <= run.params.items())
    client.delete_tag(run.run_id, names.SHA256 + names.MLMODEL_FILE)
    store.artifacts.path(run, names.MLMODEL_FILE).unlink()
    where = ["--where", "quantization=int16x8", "--where", "model.depth=2"]
    assert main(["best", *where, "--register", "older"]) == 0
    # Without knowing the data set, it takes images of the size of its input.
    shape = mlflow.pyfunc.load_model("models:/older/1").metadata.get_input_schema().inputs[0].shape
    assert shape == (-1, 32, 32, 12)


@contextmanager
def served(uri):
    """The address of the MLflow UI on a store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "segsweep.cli", "ui", "--tracking-uri", uri, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(address, timeout=10).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.5)
        yield address, process.stdout.readline()
    finally:
        for member in psutil.Process(process.pid).children(recursive=True):
            member.kill()
        process.kill()
        process.wait()


def test_the_ui_shows_names_tables_plots_models_and_links(swept, store, tmp_path):
    from selenium.webdriver.common.by import By

    sweep = find_sweep(store, None)
    variant = next(run for run in store.of_kind(names.VARIANT) if run.params["quantization.name"] == "int8")
    with chromium(tmp_path / "profile", width=1500, height=1000) as driver, served(swept) as (address, said):

        def opened(page, text):
            driver.get("about:blank")
            driver.get(f"{address}/#/experiments/{store.experiment_id}/{page}?workflowType=machine_learning")
            deadline = time.monotonic() + 90
            while text not in driver.find_element(By.TAG_NAME, "body").text:
                assert time.monotonic() < deadline, driver.find_element(By.TAG_NAME, "body").text
                time.sleep(0.5)
            return driver.find_element(By.TAG_NAME, "body").text

        assert f"{address}/#/experiments/{store.experiment_id}/runs?workflowType=machine_learning" in said
        complaints(driver)
        opened("runs", "synthetic_parcels strided_unet: 4 jobs")
        text = opened(f"runs/{sweep.run_id}", "About this run")
        assert "6 variants. The highest test mean IoU is" in text
        plot = driver.find_element(By.CSS_SELECTOR, "img[src*='overview.png']")
        deadline = time.monotonic() + 30
        while not driver.execute_script("return arguments[0].naturalWidth", plot):
            assert time.monotonic() < deadline, "the plot is not shown"
            time.sleep(0.5)
        opened(f"runs/{sweep.run_id}/artifacts/sweep/table.json", "quantization")
        text = opened(f"runs/{variant.run_id}", "About this run")
        assert variant.name in text
        assert "synthetic_parcels test" in text
        assert "pyfunc" in text
        to_training = f"runs/{variant.tags[names.PARENT_RUN]}"
        hrefs = [link.get_attribute("href") or "" for link in driver.find_elements(By.TAG_NAME, "a")]
        assert any(to_training in href and "workflowType" in href for href in hrefs)
        text = opened(to_training, "About this run")
        assert variant.name in text
        text = opened(f"runs/{variant.run_id}/artifacts/model", "Tensor (dtype: uint16")
        assert "shape: [-1,30,30,12])" in text
