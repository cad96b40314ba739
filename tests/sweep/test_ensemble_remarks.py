"""What is said before anything is trained of a sweep with too few trainings for an ensemble."""

import pytest

from segsweep.cli import main

WORDS = ("data.size=16", "data.train_images=4", "data.validation_images=2", "data.test_images=2", "model.depth=1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=0,1"], True),
        (["seed=0,1,2"], False),
        (["seed=0,1", "ensemble.size=2"], False),
        # Of its kind, a control is not asked for.
        (["seed=0", "quantization=qat_int8", "ensemble.size=2"], True),
    ],
)
def test_too_few_trainings_are_told_of(workplace, capsys, words, said):
    assert main(["plan", "-m", *WORDS, "ensemble=best", *words]) == 0
    assert ("there will be none (ensemble.size)" in capsys.readouterr().out) == said


def test_nothing_is_told_of_a_sweep_without_ensembles(workplace, capsys):
    assert main(["plan", "-m", *WORDS, "seed=0,1"]) == 0
    assert "ensemble" not in capsys.readouterr().out
