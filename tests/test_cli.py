"""The command line: wrong input gets one line and exit status 2, before anything is made."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from segsweep.cli import main

WRONG_SETTINGS = {
    "unknown override": (["modle.width=8"], "modle"),
    "unknown override with a plus": (["+model.foo=1"], "foo"),
    "unknown group choice": (["model=resnet9000"], "strided_unet"),
    "unknown data": (["data=nowhere"], "npz"),
    "wrong type": (["model.width=abc"], "abc"),
    "zero width": (["model.width=0"], "model.width=0"),
    "negative learning rate": (["training.learning_rate=-1"], "greater than 0"),
    "learning rate that is no number": (["training.learning_rate=nan"], "training.learning_rate=nan"),
    "infinite learning rate": (["training.learning_rate=inf"], "training.learning_rate=inf"),
    "no epochs": (["training.epochs=0"], "training.epochs=0"),
    "depth": (["model.depth=9"], "1 to 7"),
    "optimizer": (["training.optimizer=sgdd"], "adam"),
    "variant": (["quantization.name=int3"], "int8"),
    "calibration larger than the training split": (
        ["quantization=int8", "quantization.calibration.samples=97"],
        "96 training images",
    ),
    "class weights": (["loss.class_weights=[1,2,3]"], "2 classes"),
    "class weights of text": (["loss.class_weights=heavy"], "balanced"),
    "unknown loss": (["loss=hinge"], "lovasz"),
    "unknown term of a loss": (["loss=combined", "loss.terms={hinge:1}"], "lovasz"),
    "term without a number": (["loss=combined", "loss.terms={dice:much}"], "could not be converted to Float"),
    "terms that are none": (["loss=combined", "loss.terms=dice"], "loss.terms"),
    "negative term of a loss": (["loss=combined", "loss.terms.dice=-1"], "loss.terms.dice=-1"),
    "loss without any term": (["loss=combined", "loss.terms={dice:0}"], "every term weighs 0"),
    "setting of another loss": (["loss=dice", "loss.gamma=1"], "loss.gamma"),
    "negative gamma": (["loss=focal", "loss.gamma=-1"], "loss.gamma=-1"),
    "gamma of a term": (["loss=combined", "loss.tversky.gamma=0"], "loss.tversky.gamma=0"),
    "negative seed": (["seed=-1"], "seed=-1"),
    "seed of text": (["seed=abc"], "whole number"),
    "broken syntax": (["model.width=[1,"], "model.width"),
    "unknown flag": (["--foo"], "--foo"),
    "wrong value of a flag": (["--cfg", "nonsense"], "--cfg"),
    "what segsweep sets itself": (["sweep.id=abc"], "sweep.id"),
    "another folder for jobs": (["hydra.job.chdir=true"], "hydra.job.chdir"),
    "missing file": (["data=npz", "data.train=nowhere.npz"], "nowhere.npz"),
    "no file given": (["data=npz"], "data.train"),
    "axis without -m": (["model.width=4,8"], "model.width"),
    "code in the settings": (["+model._target_=os.system"], "_target_"),
    "store of another kind": (["tracking.uri=ftp://x/y"], "sqlite:///"),
    "store that cannot be made": (["tracking.uri=sqlite:////proc/nowhere/x.db"], "/proc/nowhere"),
    "two experiments": (["experiment=quickstart,other", "-m"], "one at a time"),
    "unknown experiment": (["experiment=nothing"], "quickstart"),
}


def complaint(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one line that a wrong command gets."""
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line]
    assert len(lines) == 1, err
    assert lines[0].startswith("segsweep: error: ")
    assert not out
    return lines[0]


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_wrong_settings_are_refused_in_one_line(workplace, capfd, case):
    arguments, message = WRONG_SETTINGS[case]
    assert message in complaint(capfd, ["run", *arguments])
    assert not (workplace / "mlruns" / "mlflow.db").exists()


@pytest.mark.parametrize("case", ["wrong type", "zero width", "unknown override", "missing file"])
def test_a_sweep_is_refused_likewise(workplace, capfd, case):
    arguments, message = WRONG_SETTINGS[case]
    assert message in complaint(capfd, ["run", "-m", *arguments])


def test_a_sweep_with_one_wrong_value_starts_nothing(workplace, capfd):
    assert "model.width=0" in complaint(capfd, ["run", "-m", "model.width=4,0"])
    assert not (workplace / "mlruns" / "mlflow.db").exists()


def test_broken_data_is_refused_before_anything(workplace, capfd):
    np.savez("train.npz", X=np.zeros((3, 4, 4, 2)), Y=np.zeros((2, 4, 4), int))
    assert "3 images in X but 2 masks" in complaint(capfd, ["run", "data=npz", "data.train=train.npz"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "unknown verb fly"),
        (["report"], "no such store"),
        (["report", "--format", "pdf"], "pdf"),
        (["report", "--what"], "--what"),
        (["ui"], "no such store"),
        (["report", "--tracking-uri", "ftp://x"], "ftp://x"),
    ],
)
def test_other_verbs_complain_likewise(workplace, capfd, arguments, message):
    assert message in complaint(capfd, arguments)


def test_a_store_that_is_no_database(workplace, capfd):
    Path("notes.db").write_text("this is not a database, but it is long enough to be taken for one " * 20)
    assert "notes.db" in complaint(capfd, ["run", "tracking.uri=sqlite:///notes.db"])
    assert "notes.db" in complaint(capfd, ["report", "--tracking-uri", "sqlite:///notes.db"])


def test_a_broken_file_of_ones_own(workplace, capfd):
    (workplace / "conf" / "data").mkdir(parents=True)
    (workplace / "conf" / "data" / "mine.yaml").write_text("name: npz\n  train: [\n")
    assert "mine.yaml" in complaint(capfd, ["run", "--config-dir", "conf", "data=mine"])


def test_settings_of_ones_own_file_and_others_beside_it(workplace, capfd):
    (workplace / "conf" / "data").mkdir(parents=True)
    (workplace / "conf" / "data" / "mine.yaml").write_text("name: npz\ntrain: here.npz\n")
    words = ["run", "--config-dir", "conf", "data=mine", "data.split_seed=3"]
    assert "here.npz: no such file" in complaint(capfd, words)
    assert "here.npz: no such file" in complaint(capfd, [words[0], "-m", *words[1:]])
    assert "did you mean data.split_seed" in complaint(capfd, [*words[:-1], "data.split_sed=3"])


@pytest.mark.parametrize("path", ["ü/x.npz", "a&b/x#1.npz", "a (1)/x.npz", "it's/x y.npz"])
@pytest.mark.parametrize("multirun", [[], ["-m"]])
def test_paths_with_all_kinds_of_characters(workplace, capfd, path, multirun):
    assert f"{path}: no such file" in complaint(capfd, ["run", *multirun, "data=npz", f"data.train={path}"])


@pytest.mark.parametrize("multirun", [[], ["-m"]])
@pytest.mark.parametrize("meaning", ["data.ids={a: 0, b: 255}", 'data.palette={a: "#000000", b: "#FFFFFF"}'])
def test_what_masks_hold_is_given_on_the_command_line(workplace, capfd, meaning, multirun):
    assert main(["plan", *multirun, "data=image_folder", "data.standin=true", meaning]) == 0
    assert "generated stand-in" in capfd.readouterr().out


def test_a_refused_run_leaves_nothing(workplace, capfd):
    complaint(capfd, ["run", "model.width=0"])
    assert not list(workplace.iterdir())


def test_no_experiment_is_none(workplace, capfd):
    assert main(["run", "--cfg", "job", "experiment=null"]) == 0


def test_debug_shows_the_traceback(workplace, capfd, monkeypatch):
    monkeypatch.setenv("SEGSWEEP_DEBUG", "1")
    assert main(["run", "model.width=0"]) == 2
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["report", "--help"], ["run", "--help"], ["--version"]])
def test_help_loads_neither_tensorflow_nor_mlflow(workplace, arguments):
    script = (
        "import sys\nfrom segsweep.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "assert not {'tensorflow', 'tf_keras', 'mlflow'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_help_names_real_choices_only(workplace, capfd):
    assert main(["run", "--help"]) == 0
    out = capfd.readouterr().out
    assert "quickstart" in out
    assert "qat_int8" in out
    assert "schema" not in out


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_hydras_own_flags_work(workplace, capfd, plus):
    assert main(["run", "--cfg", "job", f"{plus}model.width=12"]) == 0
    assert "width: 12" in capfd.readouterr().out


def test_a_store_can_be_named_by_option_or_environment(workplace, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    assert main(["run", "--cfg", "job", "--resolve"]) == 0
    assert "sqlite:///elsewhere.db" in capfd.readouterr().out
    assert main(["run", "--cfg", "job", "--resolve", "--tracking-uri", "sqlite:///it's here.db"]) == 0
    assert "it's here.db" in capfd.readouterr().out.replace("''", "'")


def test_sigterm_ends_with_143(workplace):
    script = (
        "import sys, time\nimport segsweep.cli as cli\n"
        "cli._VERBS['run'] = lambda rest: (print('ready', flush=True), time.sleep(60))\n"
        "sys.exit(cli.main(['run']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.1)
    process.terminate()
    assert process.wait(20) == 143


@pytest.mark.parametrize("word", ["training.threads=0", "sweep.workers=0"])
def test_numbers_that_the_workers_of_a_first_sweep_start_by_are_checked(workplace, capfd, word):
    assert word in complaint(capfd, ["run", "-m", word, "seed=1,2"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["run"],
        ["plan", "-m"],
        *(["run", "-m", f"hydra/launcher={each}"] for each in ("local", "basic", "joblib")),
    ],
)
def test_mixed_precision_without_a_gpu_is_refused(workplace, capfd, monkeypatch, arguments):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "needs an NVIDIA GPU" in complaint(capfd, [*arguments, "training.mixed_precision=true"])
    assert not (workplace / "mlruns" / "mlflow.db").exists()


def test_other_machines_may_have_one(workplace, capfd, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(["plan", "-m", "hydra/launcher=slurm", "training.mixed_precision=true"]) == 0
    assert "1 float trainings" in capfd.readouterr().out
