"""The notebook for newcomers, executed as it stands, on fewer galaxies."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from galaxyzoo.core import paths
from support.commands import environment

NOTEBOOK = paths.CODE_ROOT / "docs" / "newcomer.ipynb"

SMALL = {"NEWCOMER_GALAXIES": "24", "NEWCOMER_EPOCHS": "1"}


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.slow
def test_the_notebook_leads_to_a_submission(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": NOTEBOOK.parent}}
    )
    client.execute(env={**environment(tmp_path), **SMALL})  # raises at the first cell that fails
    frame = pd.read_csv(tmp_path / "submissions" / "predictions.csv")
    assert frame.shape == (6, 38)
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert any("image/png" in out.get("data", {}) for out in outputs)
    printed = "".join(out.get("text", "") for out in outputs)
    for word in (
        "8 view(s): 0.",
        "gz37/cnn: 0.",
        "gz37/d4cnn: 0.",
        "out-of-fold RMSE of fold 0: 0.",
    ):
        assert word in printed
