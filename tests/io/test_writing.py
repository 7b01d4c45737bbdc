"""Tables that are written: they read back the same, and all or nothing is there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files
from galaxyzoo.io.tables import read_csv
from galaxyzoo.io.writing import plain_cell, write_predictions
from galaxyzoo.results.table import select_predictions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_what_is_written_reads_back_to_nine_decimals(file):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((20, 2)), index=rng.permutation(20), columns=["a", "b"])
    write_predictions(file, frame)
    assert b"\r" not in file.read_bytes()
    back = select_predictions(read_csv(file), ["a", "b"], frame.index.to_numpy(), file)
    assert back.index.tolist() == frame.index.tolist()
    np.testing.assert_allclose(back, frame, rtol=0, atol=5.1e-10)


@pytest.mark.parametrize("cell", ["-600000000000000000", "-12.5", "+3", -7, "1-2", "", "a=b"])
def test_a_number_with_a_sign_is_no_formula(cell):
    """Southern Euclid objects have negative ids; names may be declinations."""
    assert plain_cell(cell) == cell


@pytest.mark.parametrize(
    "cell", ["-1+2", "-12.5-3", "+1.", "-5.png", "-", "=1", "@a", "-٣", "-5\n"]
)
def test_what_a_spreadsheet_would_run_is_text(cell):
    assert str(plain_cell(cell)).startswith("'")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_never_written(file, value):
    with pytest.raises(ValueError, match="finite"):
        write_predictions(file, pd.DataFrame({"a": [0.5, value]}))
    with pytest.raises(ValueError, match="distinct"):
        write_predictions(file, pd.DataFrame({"a": [0.5, 0.5]}, index=[1, 1]))
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(file, {"score": value})
    assert not list(file.parent.iterdir())
