"""Files that people ask for: what is refused before the work for them is done."""

from pathlib import Path

import pytest

from segsweep.errors import SegsweepError
from segsweep.whole_files import refuse_unwritable, write_whole


def test_what_can_be_written_is_not_refused(tmp_path: Path) -> None:
    refuse_unwritable("--output", tmp_path / "new.csv", force=False)
    (tmp_path / "old.csv").write_text("old")
    refuse_unwritable("--output", tmp_path / "old.csv", force=True)
    write_whole("--output", tmp_path / "old.csv", "new")
    assert (tmp_path / "old.csv").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]


@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_written_is_refused(tmp_path: Path, force: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for path, said in {
        tmp_path: "is a folder; give the name of a file",
        tmp_path / "no" / "new.csv": f"there is no folder {tmp_path / 'no'}; make it",
        tmp_path / "file" / "new.csv": f"there is no folder {tmp_path / 'file'}; make it",
    }.items():
        with pytest.raises(SegsweepError, match=f"--output {path}: {said}"):
            refuse_unwritable("--output", path, force=force)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # who runs the tests may write anywhere
    with pytest.raises(SegsweepError, match="takes no files; choose another place"):
        refuse_unwritable("--output", tmp_path / "new.csv", force=force)


def test_what_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("old")
    with pytest.raises(SegsweepError, match="the file exists; give another name, or --force to replace it"):
        refuse_unwritable("--output", tmp_path / "old.csv", force=False)
