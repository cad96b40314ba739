"""`segsweep best` does not choose a file of 4-bit weights without a word on which runtimes compute with them."""

import json

import pytest
from small_store import Row, counts, store_with

from segsweep.cli import main
from segsweep.tracking import names
from segsweep.tracking.store import Store


@pytest.fixture
def uri(tmp_path) -> str:
    address, ids = store_with(
        tmp_path,
        Row("float32", counts(0.90), 400_000),
        Row("int8", counts(0.90), 100_000, baseline="float32 w8"),
        Row("int4", counts(0.90), 60_000, baseline="float32 w8"),
    )
    computed = {"int8": ["CONV_2D int8 x int8"], "int4": ["CONV_2D int8 x int4", "CONV_2D int8 x int8"]}
    for name, words in computed.items():
        census = json.dumps({"compute": dict.fromkeys(words, 1)})
        Store.open(address, "segsweep").log(ids[f"{name} w8"], tags={names.CENSUS: census})
    return address


@pytest.mark.parametrize(
    ("options", "chosen", "said"), [((), "int4", True), (("--where", "quantization!=int4"), "int8", False)]
)
def test_kernels_are_said_of_what_is_chosen_alone(uri, workplace, capsys, options, chosen, said):
    assert main(["best", "--tracking-uri", uri, *options]) == 0
    out, err = capsys.readouterr()
    assert chosen in out.splitlines()[0]
    assert ("XNNPACK takes them in dense layers alone" in err) == said
