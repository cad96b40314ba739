"""The model card beside an exported file."""

from dataclasses import replace

import pytest
from predict.handmade_models import metadata

from segsweep.choosing.candidates import Candidate
from segsweep.choosing.model_card import CardInput, model_card
from segsweep.tracking.records import RunRecord

DESCRIBED = replace(metadata(4, 3), classes=("field", "road", "water"))


@pytest.mark.parametrize(
    ("by_pixel", "shape", "what"),
    [(True, "(1, 24, 32, 3)", "tells 3 classes of pixels apart"), (False, "(1, 3)", "tells 3 classes of images apart")],
)
def test_the_output_is_that_of_the_file(by_pixel, shape, what):
    run = RunRecord("id", "a run", "FINISHED", 0, 1, "", {}, {}, {})
    candidate = Candidate(run, "a run", 0.9, 1000, None, None)
    text = model_card(CardInput(candidate, DESCRIBED, None, (24, 32, 4), by_pixel, "because"))
    assert what in text
    assert f"Its output, {shape}," in text
    assert "(1, 24, 32, 4) of bands" in text
