"""Lists of images as editors and shells write them."""

import pytest
from saved_folders import load
from shared_cases import made

from segsweep.data.file_lists import read_list
from segsweep.errors import DataError


def test_the_shared_list_with_a_byte_order_mark_is_read(tmp_path):
    assert read_list(made("yaml_words", tmp_path) / "list_with_bom.txt") == ["00", "01"]


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbf1\r\n2\r\n", b"\xef\xbb\xbf# mine\r\n1\r\n\r\n2", b"1\n2\n", b"1\r2"]
)
def test_every_end_of_line_is_read(folder, content):
    (folder / "test.txt").write_bytes(content)
    assert [pair.name for pair in _test_pairs(load(folder, test="test.txt"))] == ["1", "2"]


def _test_pairs(dataset):
    return [dataset.test.pairs[row] for row in dataset.test.source]


@pytest.mark.parametrize("content", ["straße\n".encode("latin-1"), "1\n2\n".encode("utf-16")])
def test_other_encodings_are_refused_with_the_remedy(folder, content):
    (folder / "test.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"test\.txt: is no text in UTF-8, .*; save it as UTF-8"):
        load(folder, test="test.txt")
