"""Catalogs of many galaxies by the real command: each image once, whatever happens meanwhile."""

import errno
import functools
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet

from galaxyzoo.config.loading import load_run_config
from galaxyzoo.core.devices import autocast
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import read_sealed
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.geometry import iterate_views
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.extras.surveys import command as survey_command
from galaxyzoo.extras.surveys.images import SurveyImages
from galaxyzoo.extras.surveys.one_table import read_one_table
from galaxyzoo.extras.surveys.survey import Survey, survey_classes
from galaxyzoo.inference import load_model
from galaxyzoo.inference.load_model import load_predictor
from galaxyzoo.inference.predict import predict_stores
from galaxyzoo.io.archives import write_zip
from galaxyzoo.models.build import load_network
from galaxyzoo.results.fold_files import WEIGHTS
from galaxyzoo.tasks.registry import TASKS
from support.commands import dataset, succeed
from support.faulty_commands import Fault, Project, ranks
from support.pictures import draw_image, encode
from support.refusals import one_line_refusal
from support.thoroughness import is_long, thorough
from support.trained import run_command

pytestmark = pytest.mark.slow

IDS = [*range(101, 126), 999]  # 999 is no image


@pytest.fixture(scope="module")
def trained(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained run, 21 images in a folder, one broken, and five in a zip."""
    root = Path(shutil.copytree(trained_project, tmp_path_factory.mktemp("survey") / "root"))
    (root / "survey").mkdir()
    for galaxy_id in IDS[:20]:
        picture = draw_image(np.random.default_rng(galaxy_id), 64)
        (root / "survey" / f"{galaxy_id}.jpg").write_bytes(encode(picture))
    (root / "survey" / "999.jpg").write_bytes(b"no image")
    (root / "survey" / "1000.tif").write_bytes(b"not read")
    members = [(f"{i}.jpg", encode(draw_image(np.random.default_rng(i), 64))) for i in IDS[20:25]]
    write_zip(root / "more.zip", members)
    return root


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Project:
    """A copy in which no job was begun."""
    root = shutil.copytree(trained, tmp_path / "root", ignore=shutil.ignore_patterns("votes"))
    return Project(Path(root), tmp_path / "work")


def words(root: Path, *more: str) -> list[str]:
    images = [str(root / name) for name in ("survey", "more.zip")]
    return ["survey.py", "gz37/cnn", *images, str(root / "votes"), "--part-size", "5", *more]


def parts(root: Path) -> dict[str, bytes]:
    """Names and bytes of all parts and errors."""
    folder = root / "votes"
    paths = [*(folder / "parts").iterdir(), folder / "errors.parquet"]
    return {path.name: path.read_bytes() for path in sorted(paths)}


@pytest.fixture(scope="module")
def places(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The file operations of an undisturbed command, by their order."""
    result = Project(trained, tmp_path_factory.mktemp("work")).run(words(trained))
    assert result.status == 0, result.output
    return ranks(result.operations)


@pytest.fixture(scope="module")
def expected(trained: Path, places: dict[str, int]) -> dict[str, bytes]:
    """What it leaves."""
    return parts(trained)


def rows(root: Path, folder: str = "votes") -> pd.DataFrame:
    paths = sorted((root / folder / "parts").glob("*.parquet"))
    return pd.concat([*map(pd.read_parquet, paths)])


def test_each_image_is_in_one_part_or_among_the_errors(trained, expected):
    table = rows(trained)
    assert table["GalaxyID"].tolist() == IDS[:25]
    counts = [parquet.read_metadata(path).num_rows
              for path in sorted((trained / "votes/parts").glob("*.parquet"))]  # fmt: skip
    assert counts == [*[5] * 4, 0, 5]  # the broken one alone, then those of the zip
    lost = parquet.read_table(trained / "votes/errors.parquet").to_pylist()
    assert lost == [{"GalaxyID": 999, "reason": "it is neither JPEG nor PNG"}]
    manifest = read_sealed(trained / "votes/manifest.json")
    assert [manifest["notes"][name] for name in ("rows", "errors", "parts")] == [25, 1, 6]
    assert manifest["made_by"]["by"] == "gz37/cnn"


def test_spread_and_features_are_as_by_each_network_alone(trained, expected, tmp_path, monkeypatch):
    command = [*words(trained)[:4], tmp_path / "votes", "--part-size", "5"]
    extras = ["--with", "spread,features,intervals", "--rank", "width"]
    succeed(trained, *command, *extras, "--table", tmp_path / "all.parquet")
    found = rows(tmp_path)
    assert parquet.read_schema(tmp_path / "all.parquet").names == found.columns.tolist()
    pd.testing.assert_frame_equal(found[rows(trained).columns], rows(trained))
    columns = list(TASKS["gz37"].columns)
    monkeypatch.setenv("GALAXYZOO_ROOT", str(trained))
    images = [trained / "survey", trained / "more.zip"]
    each = []
    for fold in range(3):
        network = load_predictor(dataset(trained), "gz37/cnn", [fold])
        each.append(predict_stores(network, images)[0].loc[found["GalaxyID"]])
    lower = found[[f"{name}_lower" for name in columns]].to_numpy()
    upper = found[[f"{name}_upper" for name in columns]].to_numpy()
    assert (lower <= found[columns]).all(axis=None)
    assert (found[columns] <= upper).all(axis=None)
    widest = pd.read_csv(tmp_path / "votes" / "ranking.csv")["GalaxyID"][0]
    assert widest == found["GalaxyID"].iloc[(upper - lower).mean(axis=1).argmax()]
    spread = found[[f"{name}_spread" for name in columns]]
    np.testing.assert_allclose(spread, np.std(each, axis=0), atol=1e-6)
    assert np.ptp(spread.to_numpy()) > 0.001
    folder = next((trained / "folds").glob("*/gz37/cnn"))
    config = load_run_config(folder).config
    model = load_network(config, folder / "fold_0" / WEIGHTS)
    chosen = open_by_galaxy_id(trained / "more.zip").select(IDS[20:25])
    pictures = decode_many(chosen, config.image)[0]
    views = iterate_views(pictures, config.image, config.tta, torch.device("cpu"))
    with torch.inference_mode(), autocast(config.train.amp, torch.device("cpu")):
        by_view = [model.eval().features(view).float().numpy() for view in views]
    features = np.mean(by_view, axis=0)
    assert features.std() > 0.01
    np.testing.assert_allclose(np.stack(found["features"].iloc[-5:]), features, atol=1e-2)


def test_they_are_the_tables_predictions_and_classes_by_rule(trained, expected, tmp_path):
    _, run, *images = words(trained)[:4]
    said = succeed(trained, "predict.py", run, *images, "--output", tmp_path / "votes.csv").stdout
    assert "999.jpg" in said
    assert "1000.tif: .tif is not supported" in said
    fits = [*images, "--output", tmp_path / "votes.FITS", "--folds", "0", "--views", "1"]
    said = succeed(trained, "predict.py", run, *fits).stdout
    assert "skipped 2 of 27 images (unreadable):" in said
    assert "  999: it is neither JPEG nor PNG" in said
    assert "errors.parquet" not in said
    table = rows(trained).set_index("GalaxyID")
    plain = pd.read_csv(tmp_path / "votes.csv", index_col="GalaxyID")
    columns = list(TASKS["gz37"].columns)
    assert (table[columns].dtypes == np.float32).all()
    np.testing.assert_allclose(table[columns], plain.loc[table.index, columns], atol=2e-7)
    for name, task in TASKS.items():
        if task.rule is not None:
            labels = task.rule.labels(table[columns].astype(float))
            classes = labels.idxmax(axis=1) if len(labels) else pd.Series(dtype=str)
            assert table[name].tolist() == classes.reindex(table.index, fill_value="").tolist()


KEPT = ["--keep", "name,ra"]
KILLS = [*([n * 30, []] for n in "124"), ["2" * 30, KEPT]] if is_long() else [["11", KEPT]]


@pytest.mark.parametrize(("jobs", "kept"), KILLS)
def test_a_job_killed_at_random_points_ends_with_the_same_bytes(project, jobs, kept):
    """Once for each of so many processes at a time, also with a list's columns."""
    command = words(project.root, "--part-size", str(thorough(5, 1)))  # 5 or 6 parts, 26
    if kept:
        paths = [f"survey/{galaxy_id}.jpg" for galaxy_id in [*IDS[:20], 999]]
        table = pd.DataFrame({"path": paths, "name": paths, "ra": np.linspace(0, 360, len(paths))})
        table.to_csv(project.root / "list.csv", index=False)
        command = [*command[:2], str(project.root / "list.csv"), *command[4:], *kept]
    places = ranks(project.run(command).operations)
    expected = parts(project.root)
    shutil.rmtree(project.root / "votes")
    rng = random.Random(1)
    kills = 0
    amid = places["rename votes/parts/_part-000002.json"]  # its part is there, without this record
    chosen = sorted([amid, *rng.choices([*places.values()], k=len(jobs) - 1)])
    for at, count in zip(chosen, jobs, strict=True):
        delay_s = 0.0 if at == amid else rng.choice([0.0, rng.uniform(0, 0.01)])
        result = project.run([*command, "--jobs", count], Fault(places, at, delay_s))
        if result.status == 0:
            break
        assert result.struck, result.output
        kills += 1
    assert kills >= thorough(2, 15)
    assert project.run(command).status == 0
    assert parts(project.root) == expected


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(project, places, expected):
    command = words(project.root)
    middle = next(place for name, place in places.items() if "part-000003" in name)
    result = project.run(command, Fault(places, middle, errno=errno.ENOSPC))
    assert "error: cannot write" in result.output
    assert (project.root / "votes/parts/part-000002.parquet").exists()
    assert project.run(command).status == 0
    assert parts(project.root) == expected


def test_a_table_alone_that_is_interrupted_is_not_said_to_resume(tmp_path, monkeypatch):
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(survey_command, "predict_survey", stop)
    output = tmp_path / "v.fits"
    line = one_line_refusal(run_command, monkeypatch, "survey", tmp_path, output)
    assert line.startswith("stopped, and nothing is kept: ")
    assert line.endswith(f"into a folder, such as votes/ --table {output}")
    with pytest.raises(KeyboardInterrupt):
        run_command(monkeypatch, "survey", tmp_path, tmp_path / "votes")


@pytest.mark.parametrize(
    ("task", "prior", "shares", "decided"),
    [
        ("elliptical_spiral", [0.9, 0.1], [0.6, 0.4], "elliptical"),
        # Judged by balanced accuracy: 2.5 times as probable as it is frequent, normal 0.75 times
        ("anomaly4", [0.8, 0.1, 0.05, 0.05], [0.6, 0.25, 0.1, 0.05], "ringed"),
        ("anomaly4", [0.8, 0.1, 0.05, 0.05], [0.9, 0.06, 0.02, 0.02], "normal"),
    ],
)
def test_of_a_class_run_a_part_holds_the_decided_class(task, prior, shares, decided):
    predictions = pd.DataFrame([shares], columns=list(TASKS[task].columns))
    assert survey_classes(TASKS[task], predictions, np.array(prior)) == {"class": [decided]}


def test_the_bundled_networks_keep_features_but_for_a_job_begun_without(
    trained, tmp_path, monkeypatch, capsys
):
    """One view with any option, which the line before the work counts."""
    monkeypatch.setattr(load_model, "load_run", functools.cache(load_model.load_run))
    images = [trained / "survey" / f"{galaxy_id}.jpg" for galaxy_id in IDS[:3]]

    def predict(*more: str | Path) -> str:
        run_command(monkeypatch, "survey", "gz37/d4cnn_transfer", *images, *more)
        return capsys.readouterr().out

    printed = predict(tmp_path / "votes", "--with", "spread")
    assert "3 images; forward passes per image: 6 (predictions, spread, features)" in printed
    assert f"next: python3 src/label.py {tmp_path / 'votes'}\n" in printed
    predict(tmp_path / "votes", "--with", "features,spread,spread")  # the same job
    unread = trained / "unread" / "1.tif"
    unread.parent.mkdir()
    unread.touch()
    unread.with_name("2.jpg").write_bytes(b"broken")
    images, kept = [unread.parent], images
    for output in ("none.fits", "none"):
        with pytest.raises(InputError, match=rf"{output}: no image can be read"):
            predict(tmp_path / output)
    assert not (tmp_path / "none.fits").exists()
    images = [unread.parent, *kept]
    printed = predict(tmp_path / "some")
    assert "skipped 1 unreadable image, listed in errors.parquet\n" in printed
    assert "skipped 1 of 5 images (unreadable):\n  1.tif: " in printed
    images = kept
    assert rows(tmp_path)["features"][0].dtype == np.float16
    printed = predict(tmp_path / "one", "--folds", "2")
    assert "3 images; forward passes per image: 1 (predictions, features)" in printed
    with pytest.raises(InputError, match="--with spread needs the networks of two"):
        predict(tmp_path / "none", "--folds", "2", "--with", "spread")
    ranked = ["--with", "intervals", "--rank", "Class1.1"]
    table, work = tmp_path / "v.fits", tmp_path / "both"
    assert "(predictions, intervals)" in predict(table, *ranked)
    both = [work, *ranked, "--table", work / "v.fits"]
    assert "forward passes per image: 6" in predict(*both)
    for path in (table, work / "v.fits"):
        fits = read_one_table(path).to_pandas()
        assert "features" not in fits
        assert fits["Class1.1"].is_monotonic_decreasing
        order = rows(work.parent, "both").set_index("GalaxyID").loc[fits["GalaxyID"]]
        for name in ("Class1.1", "Class1.1_lower", "Class7.2_upper"):
            np.testing.assert_allclose(fits[name], order[name], atol=1e-6)
    shutil.rmtree(tmp_path / "votes")
    survey = SurveyImages(tuple(images))
    load = partial(load_predictor, BUNDLED, "gz37/d4cnn_transfer", [0], 1)
    Survey(tmp_path / "votes", "gz37/d4cnn_transfer", load, survey, np.empty(0)).begin()
    predict(tmp_path / "votes", "--folds", "0")
    assert "features" not in rows(tmp_path)
