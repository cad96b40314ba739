"""What was generated once is not generated again, and what was kept is what was made."""

import numpy as np
import pytest

from segsweep.data.array_cache import cached_arrays


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code = tmp_path / "generator.py"
    code.write_text("first")
    made = []

    def get(settings=None):
        def make():
            made.append(settings)
            return {"images": np.arange(12, dtype=np.uint16).reshape(3, 4)}

        return cached_arrays("numbers", settings or {"seed": 0}, [code], make)

    get.made, get.code, get.folder = made, code, tmp_path / "cache" / "segsweep" / "generated"
    return get


def test_the_second_time_it_is_read(cache):
    first, second = cache(), cache()
    assert len(cache.made) == 1
    assert second["images"].dtype == np.uint16
    np.testing.assert_array_equal(first["images"], second["images"])


def test_other_settings_or_other_code_are_made_anew(cache):
    cache()
    cache({"seed": 1})
    cache.code.write_text("second")
    cache()
    assert len(cache.made) == 3


@pytest.mark.parametrize(
    "damage", [lambda content: content[:50], lambda content: content.replace(b"\x05\0", b"\x06\0")]
)
def test_a_damaged_file_is_made_anew(cache, damage):
    cache()
    (path,) = cache.folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(cache()["images"].ravel(), np.arange(12))
    assert len(cache.made) == 2


def test_old_files_go(cache):
    for seed in range(12):
        cache({"seed": seed})
    assert len(list(cache.folder.iterdir())) == 8


def test_without_a_place_to_keep_them_they_are_made_each_time(cache):
    cache.folder.parent.parent.write_text("a file where the folder would be")
    np.testing.assert_array_equal(cache()["images"].ravel(), np.arange(12))
