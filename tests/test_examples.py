"""The notebook in examples/ runs from beginning to end, and is kept without what it printed."""

import nbclient
import nbformat
import pytest
from checkout import ROOT
from made_sweeps import Row, make_sweep, scored

from segsweep.tracking.store import Store

NOTEBOOK = ROOT / "examples" / "from_sweep_to_figure.ipynb"
TRAINED_SECONDS = 900


def executed(folder, monkeypatch, store: str | None):
    """The notebook after a run in `folder`, on a store or on a sweep of its own."""
    monkeypatch.setenv("SEGSWEEP_FIGURE", str(folder / "figure.svg"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SEGSWEEP_STORE", raising=False)
    if store is not None:
        monkeypatch.setenv("SEGSWEEP_STORE", store)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=TRAINED_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return notebook


def printed(notebook) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    # MLflow's progress bars ask for Jupyter's, which nobody needs here.
    said = [output["text"] for output in outputs if output.get("name") == "stderr"]
    assert not [text for text in said if "IProgress not found" not in text]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    return "\n".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)


def test_it_is_kept_small_and_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert NOTEBOOK.stat().st_size < 20_000
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


def test_it_shows_an_existing_store(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    store = Store.open(uri, "segsweep")
    rows = [Row(width=width, seed=seed, metrics=scored(0.7 + seed / 100)) for width in (4, 8) for seed in (0, 1, 2)]
    rows += [
        Row("int8", width=row.width, seed=row.seed, metrics=scored(0.68, -0.02 + row.seed / 1000, size=1.0))
        for row in rows
    ]
    make_sweep(store, [*rows, Row("float16", status=None, listed=None)], status="KILLED")
    text = printed(executed(tmp_path, monkeypatch, uri))
    assert "The sweep ended as KILLED before all was done: 12 of 13 rows are done." in text
    assert "int8 loses against float32 beyond noise in all 2 settings" in text
    assert (tmp_path / "figure.svg").stat().st_size > 5000


@pytest.mark.slow
def test_it_sweeps_by_itself(tmp_path, monkeypatch):
    text = printed(executed(tmp_path, monkeypatch, None))
    assert text.count("FINISHED") == 12
    assert (tmp_path / "figure.svg").exists()
