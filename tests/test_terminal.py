"""What a person sees: the table on standard output, progress on standard error, and nothing else."""

import os
import subprocess
import sys

import pytest
from test_interruption import WORDS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("first_words", [[], ["sweep.timeout=0.01"]], ids=["all goes well", "workers are killed"])
def test_no_chatter_of_libraries(tmp_path, first_words):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "MLFLOW_"))}
    command = [sys.executable, "-m", "segsweep.cli", "run", "-m", *WORDS, "training.epochs=2", "sweep.workers=2"]
    done = subprocess.run(
        [*command, "seed=0,1", *first_words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == (1 if first_words else 0), done.stderr
    known = ("job ", "Store: ", "With plots and masks", "segsweep: ", "  float32 ")
    assert [line for line in done.stderr.splitlines() if line and not line.startswith(known)] == []
    assert "\n\ndata synthetic_parcels" in done.stdout
    assert done.stdout.count("|") > 20
