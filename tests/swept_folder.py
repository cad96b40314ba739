"""A real sweep in a folder of its own, for fixtures that several tests share."""

from pathlib import Path

import pytest

from segsweep.cli import main


def swept_folder(folder: Path, *words: str) -> Path:
    """The folder, after `segsweep run -m WORDS` in it, where no environment variable chose the store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        assert main(["run", "-m", *words]) == 0
    return folder
