"""Whatever bytes lie in a table or config: what it holds, or one line that names it."""

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers import kaggle
from galaxyzoo.io.tables import FOLD, read_csv
from galaxyzoo.results.table import select_predictions
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE
from support.datasets import (
    COLUMNS,
    SAMPLE,
    SOLUTIONS,
    TEST_IMAGES,
    TRAIN_IMAGES,
    csv_bytes,
    draw_votes,
)
from support.fuzz_fixtures import CASES, mutate
from support.pictures import write_zip
from support.refusals import check_refusal
from support.strategies import SEEDS

VOTES = draw_votes(np.random.default_rng(1), np.arange(101, 106))


@CASES
@given(SEEDS)
def test_any_bytes_are_a_valid_table_or_one_line(tmp_path_factory, capfd, seed):
    rng = random.Random(seed)
    table = VOTES.iloc[:, :3].assign(fold=[0, 1, 2, 0, 1])
    path = tmp_path_factory.getbasetemp() / "mutated.csv"
    path.write_bytes(mutate(csv_bytes(table), rng))
    columns = list(table.columns[:3])
    ids = VOTES.index.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = select_predictions(read_csv(path), columns, ids, path)
        except InputError as error:
            check_refusal(error, "mutated.csv")
        else:
            assert list(found.columns) in (columns, [*columns, FOLD])
            assert found.index.tolist() == ids.tolist()
            assert np.isfinite(found.to_numpy(dtype=float)).all()
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The competition's other files; its images have no content, which nobody looks at here."""
    folder = tmp_path_factory.mktemp("competition")
    for part in (TRAIN_IMAGES, TEST_IMAGES):
        ids = VOTES.index if part == TRAIN_IMAGES else [7]
        write_zip(folder / f"{part}.zip", {f"{i}.jpg": b"" for i in ids})
    sample = csv_bytes(pd.DataFrame(0, index=[7], columns=COLUMNS))
    write_zip(folder / f"{SAMPLE}.zip", {f"{SAMPLE}.csv": sample})
    return folder


@CASES
@given(SEEDS, st.booleans())
def test_any_bytes_are_valid_solutions_or_one_line(competition, seed, zipped):
    for old in competition.glob(f"{SOLUTIONS}.*"):
        old.unlink()
    data = csv_bytes(VOTES)
    path = competition / f"{SOLUTIONS}.{'zip' if zipped else 'csv'}"
    if zipped:
        write_zip(path, {f"{SOLUTIONS}.csv": data})
        data = path.read_bytes()
    path.write_bytes(mutate(data, random.Random(seed)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            votes = kaggle.open_dataset_files(competition).targets
        except InputError as error:
            check_refusal(error, SOLUTIONS)
        else:
            assert list(votes.columns) == COLUMNS
            assert votes.index.tolist() == VOTES.index.tolist()
            values = votes.to_numpy()
            assert values.min() >= 0
            assert values.max() <= 1
            assert GALAXY_ZOO_2.residuals(values).max() <= 2 * READ_TOLERANCE * 7


YAML = Path(__file__).resolve().parents[2] / "configs" / "hubble10" / "source_mobilenetv2.yaml"


@CASES
@given(SEEDS)
def test_any_text_is_a_config_or_one_line(tmp_path_factory, seed):
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_bytes(mutate(YAML.read_bytes(), random.Random(seed)))
    try:
        config: Any = load_config(str(path))
    except InputError as error:
        check_refusal(error, "mutated.yaml")
    else:
        assert isinstance(config, Config)
