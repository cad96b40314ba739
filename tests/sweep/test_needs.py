"""What a sweep needs before it starts, and that what is done needs nothing."""

import pytest
from small_jobs import dataset, job

from segsweep import processes
from segsweep.config.model_schema import BackboneUnetConfig
from segsweep.config.schema import JobConfig, TrackingConfig
from segsweep.config.training_schema import TrainingConfig
from segsweep.errors import ConfigError
from segsweep.lineage.jobs import lineage
from segsweep.sweep import needs
from segsweep.sweep.needs import fetch_needed_weights, require_gpu
from segsweep.sweep.waves import Job
from segsweep.tracking import names
from segsweep.tracking.store import Store

PRETRAINED = BackboneUnetConfig(weights="imagenet")
MIXED = TrainingConfig(mixed_precision=True)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store.open(f"sqlite:///{tmp_path}/mlflow.db", "e")


@pytest.fixture
def fetched(monkeypatch) -> list:
    found: list = []
    monkeypatch.setattr(needs, "fetch_weights", found.extend)
    return found


def jobs(*configs: JobConfig) -> list[Job]:
    return [Job((), lineage(config, dataset())) for config in configs]


def finish(store: Store, some_jobs: list[Job], *, variants: bool) -> None:
    """Have a run of what these jobs need: of their trainings, or of their variants alone."""
    found = [spec for each in some_jobs for spec in (each.spec.variants if variants else each.spec.trainings)]
    for spec in {spec.key: spec for spec in found}.values():
        tags = {names.EVALUATION_KEY: spec.evaluation_key} if variants else {names.TRAINING_KEY: spec.key}
        kind = names.VARIANT if variants else names.TRAINING
        with store.run(kind, "made before", parent=None, tags=tags, params={}) as run_id:
            store.add_artifacts(run_id, {"model/model.tflite": b"made before"})


def test_weights_are_fetched_for_each_model_that_is_to_be_trained(store, fetched):
    fetch_needed_weights(store, jobs(job("int8"), job("int8", model=PRETRAINED)))
    assert fetched == [PRETRAINED]


@pytest.mark.parametrize("variants", [True, False])
def test_what_is_done_needs_no_network(store, fetched, variants):
    """Nor does what is left to be made of trained weights."""
    some = jobs(job("int8", model=PRETRAINED), job("qat_int8", model=PRETRAINED))
    finish(store, some, variants=variants)
    fetch_needed_weights(store, some)
    assert fetched == []
    fetch_needed_weights(store, [*some, *jobs(job("int8", model=PRETRAINED, seed=1))])
    assert fetched == [PRETRAINED]


def test_a_run_that_was_damaged_since_is_made_again(store, fetched):
    some = jobs(job("float32", model=PRETRAINED))
    finish(store, some, variants=True)
    (record,) = store.of_kind(names.VARIANT)
    store.artifacts.path(record, "model/model.tflite").write_bytes(b"something else")
    fetch_needed_weights(store, some)
    assert fetched == [PRETRAINED]


def test_a_fetch_that_fails_is_one_line(store, tmp_path, monkeypatch):
    import tf_keras as keras

    def get_file(*_, **__):
        raise OSError("no route to host\nand more")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(ConfigError, match=r"model\.weights=imagenet: https://.*no route to host") as found:
        fetch_needed_weights(store, jobs(job("float32", model=PRETRAINED)))
    assert "\n" not in str(found.value)


def mixed(tmp_path, name: str = "float32") -> JobConfig:
    tracking = TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="e")
    return job(name, training=MIXED, tracking=tracking)


@pytest.fixture
def no_gpu(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_mixed_precision_without_a_gpu_is_refused_and_no_store_made(no_gpu, tmp_path):
    require_gpu(jobs(job("float32")))
    for name in ("float32", "qat_int8"):
        with pytest.raises(ConfigError, match=r"training\.mixed_precision=true needs an NVIDIA GPU, and none is seen"):
            require_gpu(jobs(job("float32"), mixed(tmp_path, name)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("variants", [True, False])
def test_what_is_done_needs_no_gpu(no_gpu, tmp_path, store, variants):
    some = jobs(mixed(tmp_path, "qat_int8"))
    finish(store, some, variants=variants)
    require_gpu(some)


def test_with_a_gpu_nothing_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    require_gpu(jobs(mixed(tmp_path)))


@pytest.mark.parametrize(
    ("platform", "visible", "listed", "expected"),
    [
        ("linux", None, ["0000:01:00.0"], True),
        ("linux", "", ["0000:01:00.0"], False),
        ("linux", "-1", ["0000:01:00.0"], False),
        ("linux", "GPU-8a3", [], True),
        ("darwin", None, [], True),  # nothing can be told there
    ],
)
def test_a_gpu_is_told_without_any_library(monkeypatch, platform, visible, listed, expected):
    monkeypatch.setattr(processes.sys, "platform", platform)
    monkeypatch.setattr(processes.os, "listdir", lambda path: listed)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert processes.may_have_gpu() is expected
