"""The notebook for newcomers, executed as it stands, on fewer galaxies."""

import nbformat
import pandas as pd
import pytest

from galaxyzoo.core import paths
from support.commands import succeed

NOTEBOOK = paths.CODE_ROOT / "docs" / "newcomer.ipynb"

SMALL = {"NEWCOMER_GALAXIES": "24", "NEWCOMER_EPOCHS": "1", "MPLBACKEND": "agg"}


@pytest.mark.slow
def test_the_notebook_leads_to_a_submission(tmp_path, monkeypatch):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = str([cell.outputs for cell in cells])
    assert "out-of-fold RMSE of fold 0: 0." in outputs
    assert "image/png" in outputs
    assert str(paths.CODE_ROOT) not in outputs
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    script = tmp_path / "newcomer.py"
    begin = f"import os\nos.chdir({str(NOTEBOOK.parent)!r})\n"
    script.write_text(begin + "\n".join(cell.source for cell in cells))
    printed = succeed(tmp_path, str(script)).stdout
    assert pd.read_csv(tmp_path / "submissions" / "predictions.csv").shape == (6, 38)
    for word in ("8 view(s)", "gz37/cnn", "gz37/d4cnn", "out-of-fold RMSE of fold 0"):
        assert f"{word}: 0." in printed
