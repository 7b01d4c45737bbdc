"""The real commands on a tiny competition, as a user types them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import one_line
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, WRITE_TOLERANCE
from support.commands import COMPETITION, TRAIN, artifacts, call, complaint, succeed, table
from support.datasets import COLUMNS
from support.pictures import write_zip
from support.refusals import listing

IMAGES = "input/images_test_rev1.zip"


def refusal(root: Path, *words: str) -> str:
    """The error line of a command that must change nothing."""
    before = artifacts(root)
    line = complaint(call(root, *words))
    assert artifacts(root) == before
    return line


def test_the_submission_is_one_that_kaggle_accepts(project):
    frame = pd.read_csv(project / "submissions" / "predictions.csv")
    assert list(frame.columns) == ["GalaxyID", *COLUMNS]
    assert frame["GalaxyID"].tolist() == COMPETITION.test_ids.tolist()
    votes = frame[COLUMNS].to_numpy()
    assert np.isfinite(votes).all()
    assert votes.min() >= 0
    assert votes.max() <= 1
    assert GALAXY_ZOO_2.residuals(votes).max() <= WRITE_TOLERANCE


def test_a_second_call_does_no_finished_work_again(copy):
    times = {path: path.stat().st_mtime_ns for path in copy.rglob("weights.safetensors")}
    before = artifacts(copy)
    result = succeed(copy, *TRAIN, "--ensemble")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert len(times) == 3
    assert "is up to date" in result.stdout
    assert "step/s" not in result.stderr
    assert "decoding" not in result.stderr
    assert artifacts(copy) == before


def test_plan_and_smoke_keep_nothing(project):
    before = artifacts(project)
    assert "disk" in succeed(project, *TRAIN, "--plan").stdout
    smoke = succeed(project, *TRAIN, "--smoke").stdout
    assert "smoke test passed: gz37/cnn was trained on 24 galaxies" in smoke
    assert "RMSE" not in smoke  # of two epochs, it says nothing
    assert artifacts(project) == before


def test_predict_gives_what_the_test_table_holds(project, tmp_path):
    for galaxy_id in COMPETITION.test_ids:
        (tmp_path / f"{galaxy_id}.jpg").write_bytes(COMPETITION.images[int(galaxy_id)])
    for name in ("123.jpg", "124.WebP", "deep/781.tif", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    words = ["predict.py", "gz37/cnn", tmp_path, "--output", tmp_path / "out.csv"]
    assert succeed(project, *words).stdout.splitlines()[-6:-2] == [
        f"skipped 3 of {len(COMPETITION.test_ids) + 3} images (unreadable):",
        "  124.WebP: .webp is not supported: convert it to JPEG or PNG",
        "  deep/781.tif: .tif is not supported: convert it to JPEG or PNG",
        "  123.jpg: it is neither JPEG nor PNG",
    ]
    got = pd.read_csv(tmp_path / "out.csv", index_col="GalaxyID").loc[COMPETITION.test_ids]
    expected = GALAXY_ZOO_2.project(np.clip(table(project, "submissions").to_numpy(), 0, 1))
    assert np.allclose(got, expected, atol=1e-6)


def test_predict_takes_zips_and_files_and_shows_names_as_text(project, tmp_path):
    escapes = "\x1b]0;renamed\x07\x1b[2Jgone\r\u202egpj"
    name, bad = tmp_path / "=my galaxy.jpg", tmp_path / f"{escapes}.jpg"
    name.write_bytes(COMPETITION.images[int(COMPETITION.test_ids[0])])
    bad.write_bytes(b"no image")
    archive, output = project / "input" / "images_test_rev1.zip", tmp_path / f"{escapes}.csv"
    images = [archive, name, bad]
    words = ["predict.py", "gz37/cnn", "--folds", "0", *images, "--output", output]
    printed = succeed(project, *words).stdout.splitlines()
    assert all(line.isprintable() for line in printed)
    assert any(f"{one_line(escapes)}.jpg: it is neither JPEG nor PNG" in line for line in printed)
    got = pd.read_csv(output, index_col="id")
    assert len(got) == len(COMPETITION.test_ids) + 1
    assert not any(label.startswith("=") for label in got.index)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["predict.py", "gz37/nothing", "input"], "gz37/cnn"),
        (["predict.py", "gz37/cnn", "missing.jpg"], "missing.jpg"),
        (["survey.py", IMAGES], "after input/images_test_rev1.zip, name the folder to write"),
        (["survey.py", IMAGES, "votes.csv"], "votes.csv is neither a folder to write, such as"),
        (["survey.py", IMAGES, "v.fits", "--table", "w.fits"], "--part-size need a folder"),
        (["survey.py", IMAGES, "job/", "--rank", "width"], "add --with intervals"),
        (["survey.py", IMAGES, "job/", "--rank", "spiral_arm"], "(Class4.1)"),
        (["predict.py", "gz37/cnn", "input", "--dataset", "other"], "other"),
        (["train.py", "gz37/cnn", "train.epochs=many"], "train.epochs"),
        ([*TRAIN, "train.lr=0.5"], "train.lr 0.001 → 0.5"),
        # The last run's mistake is found before the first run starts.
        (["train.py", "gz37/mobilenetv2", "gz37/cnn", "augment.transforms=[{name: Bl}]"], "Bl"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(project, words, named):
    assert named in refusal(project, *words)
    assert not (project / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("images", "output", "reason"),
    [
        (["folder"], "votes_v1.2", "choose an ending of .csv, .parquet, "),
        (["folder"], "votes.xlsx", "votes.xlsx: no installed extra writes this"),
        (["a.tif"], "out.csv", "a.tif: .tif is not supported: convert it to JPEG or PNG"),
        (["images.txt"], "out.csv", "images.txt: IMAGES must be folders, .zip files, images"),
        (["folder"], "out.csv", "images '007.jpg' and '7.jpg' are both GalaxyID 7"),
        (["folder/7.jpg", "images.zip"], "out.csv", "7.jpg' are both GalaxyID 7"),
    ],
)
def test_a_mistake_in_predict_is_found_before_decoding(project, tmp_path, images, output, reason):
    """No image here can be decoded, which would be another message."""
    write_zip(tmp_path / "images.zip", {"x/0007.png": b"no image"})
    (tmp_path / "folder").mkdir()
    for name in ("7.jpg", "007.jpg", "../images.txt", "../a.tif"):
        (tmp_path / "folder" / name).write_bytes(b"no image")
    before = listing(tmp_path)
    words = ["predict.py", "gz37/cnn", *(tmp_path / name for name in images)]
    assert reason in complaint(call(project, *words, "--output", tmp_path / output))
    assert listing(tmp_path) == before


def test_a_tables_form_is_that_of_its_ending_and_a_slash_makes_a_folder(project, tmp_path):
    archive = project / "input" / "images_test_rev1.zip"
    words = ["predict.py", "gz37/cnn", "--folds", "0", "--views", "1", archive, "--output"]
    for name in ("votes.csv", "votes.parquet", "votes_v1.2/"):
        printed = succeed(project, *words, f"{tmp_path}/{name}").stdout
    survey = f"gz37/cnn --folds 0 --views 1 {archive} {tmp_path}/votes_v1.2/"
    assert printed.startswith(f"running `python3 src/survey.py {survey}`\n")
    text = pd.read_csv(tmp_path / "votes.csv").sort_values("GalaxyID", ignore_index=True)
    for path in (tmp_path / "votes.parquet", *tmp_path.glob("votes_v1.2/parts/*.parquet")):
        table = pd.read_parquet(path).sort_values("GalaxyID", ignore_index=True)
        pd.testing.assert_frame_equal(table[text.columns], text, check_dtype=False, atol=1e-6)
        assert table["GalaxyID"].dtype == np.int64
