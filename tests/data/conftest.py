"""Folders of images and masks."""

import pytest
from saved_folders import ids, picture, save


@pytest.fixture
def folder(tmp_path):
    """Ten images with masks of ids 0 and 1."""
    for index in range(10):
        save(tmp_path / f"images/{index}.png", picture(index))
        save(tmp_path / f"masks/{index}.png", ids(index))
    return tmp_path
