"""Finished surveys as the label page opens them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.ensemble.load_model import load_predictor
from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.surveys.finished import read_features
from galaxyzoo.extras.surveys.survey import Survey, add_features
from support.refusals import one_line_refusal
from support.surveys import Darkness, make_job


def test_what_is_no_finished_survey_with_features_is_one_line(votes, tmp_path):
    assert "is not a finished survey: type" in one_line_refusal(read_features, tmp_path)
    broken = tmp_path / "survey" / "105.png"
    make_job(tmp_path / "none", broken, extras=("features",)).run()
    assert "none has no galaxies: none of its images" in one_line_refusal(
        read_features, tmp_path / "none"
    )
    (tmp_path / "survey").rename(tmp_path / "moved")
    assert "survey is missing" in one_line_refusal(read_features, votes)


def test_features_that_a_survey_lacks_are_computed_once(votes, monkeypatch):
    """By a bundled network; an interrupted computation goes on, and labels lie in the survey."""
    bare = votes.parent / "bare"
    make_job(bare, votes.parent / "survey", size=5).run()
    add_features(bare)
    part = bare / "features" / "parts" / "part-000001.parquet"
    content = part.read_bytes()
    part.unlink()
    (bare / "features" / "manifest.json").unlink()
    add_features(bare)
    assert part.read_bytes() == content
    survey = read_features(bare)
    assert survey.ids.tolist() == read_features(votes).ids.tolist()
    network = load_predictor(BUNDLED, "gz37/d4cnn_transfer", [0], 1)
    first = survey.images.parts[0]
    expected = network.features(lambda image: decode_many(first.images, image)[0])
    np.testing.assert_allclose(survey.features[:5], expected, atol=0.02)
    LabelLoop(survey).add_class("bright")
    assert (bare / "classes.txt").exists()
    monkeypatch.setattr(Survey, "run", None)
    add_features(votes)
    assert not (votes / "features").exists()


def rewrite(path: Path, name: str, values: Any) -> None:
    table = parquet.read_table(path)
    column = pa.array(values, table[name].type)
    parquet.write_table(table.set_column(table.column_names.index(name), name, column), path)


def record(part: Path) -> Path:
    return part.with_name(f"_{part.stem}.json")


def exchange(path: Path) -> None:
    """Exchange a part and its record with the next part's."""
    other = path.with_name("part-000001.parquet")
    for paths in ((path, other), (record(path), record(other))):
        contents = [each.read_bytes() for each in paths[::-1]]
        for each, content in zip(paths, contents, strict=True):
            each.write_bytes(content)


def take_another_jobs(path: Path) -> None:
    root, extras = path.parents[2], ("features",)
    make_job(root / "b", root / "survey", size=5, predictor=Darkness, extras=extras).run()
    for name in (path.name, record(path).name):
        shutil.copy(root / "b" / "parts" / name, path.parent)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: rewrite(path, "GalaxyID", range(104, 99, -1)), "does not match"),
        (lambda path: rewrite(path, "features", [[0.0, 1.0]] * 5), "does not match"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "does not match"),
        (lambda path: path.unlink(), "part-000000.parquet is missing"),
        (lambda path: record(path).unlink(), "_part-000000.json is missing"),
        (exchange, "part-000000.parquet is missing"),
        (take_another_jobs, "_part-000000.json has other networks"),
    ],
    ids=["ids", "features", "cut off", "no part", "no record", "exchanged", "another job's"],
)
def test_a_part_that_is_not_as_it_was_written_is_one_line(votes, damage, complaint):
    path = votes / "parts" / "part-000000.parquet"
    damage(path)
    message = one_line_refusal(read_features, votes)
    assert complaint in message
    assert f"delete {path} and rerun the predict.py command" in message


@pytest.mark.parametrize("change", ["content", "a name", "all names", "fewer"])
def test_no_pictures_of_other_galaxies_are_shown(votes, change):
    folder = votes.parent / "survey"
    paths = sorted(folder.iterdir())
    if change == "content":
        shutil.copy(paths[0], paths[8])
    for path in {"a name": paths[11:], "all names": paths}.get(change, []):
        path.rename(path.with_name(f"z{path.name}"))
    for path in paths[:3] if change == "fewer" else []:
        path.unlink()
    assert f"are not those predicted in {votes}: start" in one_line_refusal(read_features, votes)
