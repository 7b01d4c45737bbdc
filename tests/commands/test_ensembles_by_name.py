"""Ensembles by their names: the runs that are trained here, else the tables that are kept."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls

from galaxyzoo.commands import ensemble
from galaxyzoo.config.loading import load_ensemble_settings
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import root as root_dir
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.ensemble import selection
from galaxyzoo.ensemble.model_listing import find_predictor
from galaxyzoo.results.card import EnsembleCard, RunCard
from galaxyzoo.results.layout import EnsembleFolder, RunFolder, card_path, list_ensembles
from galaxyzoo.tasks.kinds import VoteTask
from galaxyzoo.tasks.registry import get_task
from support.refusals import listing, one_line_refusal
from support.trained import (
    run_command,
    run_here,
    save_project,
    save_run,
    save_theirs,
)

MonkeyPatch = pytest.MonkeyPatch
CANDIDATES = selection.CANDIDATES


def test_kept_tables_become_runs_where_no_run_is_trained(configs, root):
    catalog = save_project("mini", n_runs=0)
    folder = root / "kept/gz37/recipes/one"
    folder.mkdir(parents=True)
    oof, test = save_theirs(catalog, root)
    for path, name in ((oof, "oof.csv.gz"), (test, "test.csv.gz")):
        pd.read_csv(path).to_csv(folder / name, index=False)
    (configs / "ensembles").mkdir()
    text = f"runs: [gz37/one]\ntables: {root}/kept\ndataset: mini\n"
    (configs / "ensembles" / "single.yaml").write_text(text)
    run = RunFolder("mini", "gz37/one")
    asked = ensemble.EnsembleOptions(runs=("single",))
    for _ in range(2):
        options = ensemble.name_ensemble(asked)
        assert (options.runs, options.dataset) == (("gz37/one",), "mini")
        assert RunCard.of("mini", "gz37/one").imported
    (configs / "ensembles/lacks.yaml").write_text(text.replace("kept", "lost"))
    (configs / "gz37/one.yaml").touch()
    lacks = ensemble.EnsembleOptions(runs=("lacks",))
    run.oof_csv.rename(run.oof_csv.with_name("two.csv"))
    save_run(load_catalog("mini"), "gz37/one", np.full((60, 37), 0.1), np.full((10, 37), 0.1))
    assert ensemble.name_ensemble(asked).dataset is None  # trained by now
    assert not RunCard.of("mini", "gz37/one").imported
    run.card.unlink()
    run.oof_csv.unlink()
    assert ensemble.name_ensemble(lacks).dataset is None  # as in an installed package


@pytest.fixture
def tiny(root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: MonkeyPatch) -> Path:
    """Two finished runs; `configs/ensembles/default.yaml` has the first. Gives the configs.

    The mean is the only candidate.
    """
    save_project()
    monkeypatch.setattr(selection, "CANDIDATES", {"mean": selection.CANDIDATES["mean"]})
    configs = tmp_path_factory.mktemp("configs")
    (configs / "ensembles").mkdir()
    (configs / "ensembles/default.yaml").write_text("runs: [gz37/run0]\n")
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(configs))
    return configs


def members(name: str) -> list[str]:
    """Runs on the card in an ensemble's folder."""
    card = EnsembleCard.of(EnsembleFolder("tiny", "gz37", name))
    assert card.name == name
    return list(card.runs)


def test_without_a_name_it_is_default_if_its_runs_are_trained_else_all(tiny, monkeypatch, capsys):
    run_here(monkeypatch)
    assert members("default") == ["gz37/run0"]
    assert "`python3 src/ensemble.py all --task gz37` adds gz37/run1" in capsys.readouterr().out
    run_here(monkeypatch, "all")
    assert members("all") == ["gz37/run0", "gz37/run1"]
    assert members("default") == ["gz37/run0"]  # untouched
    shutil.rmtree(root_dir() / "submissions/tiny/gz37/all")
    (tiny / "ensembles/default.yaml").write_text("runs: [gz37/run0, gz37/other]\n")
    capsys.readouterr()
    run_here(monkeypatch)
    assert members("all") == ["gz37/run0", "gz37/run1"]
    assert "gz37 (default still needs gz37/other)" in capsys.readouterr().out


def test_named_runs_have_an_ensemble_of_their_own(tiny, monkeypatch):
    run_here(monkeypatch, "run1", "gz37/run0")
    assert members("run0+run1") == ["gz37/run0", "gz37/run1"]
    run_here(monkeypatch, "run1", "--name", "mine")
    assert members("mine") == ["gz37/run1"]
    folder = EnsembleFolder("tiny", "gz37", "mine").path
    folder.rename(folder.with_name("other"))
    with pytest.raises(InputError, match="belongs to the ensemble 'mine': rename"):
        members("other")


def test_paths_of_recipes_and_ensembles_are_as_their_names(tiny, monkeypatch, capsys):
    (tiny / "gz37").mkdir()
    recipe = tiny / "gz37/run0.yaml"
    recipe.touch()
    run_here(monkeypatch, tiny / "ensembles/default.yaml")
    assert members("default") == ["gz37/run0"]
    run_here(monkeypatch, recipe, "run1")
    assert members("run0+run1") == ["gz37/run0", "gz37/run1"]
    capsys.readouterr()
    monkeypatch.setattr(selection, "CANDIDATES", CANDIDATES)
    run_here(monkeypatch, "run1", "--similar", recipe)
    assert "with the errors of gz37/run0" in capsys.readouterr().out
    assert find_predictor(str(recipe)) == ("tiny", "gz37/run0")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run1", "--name", "all"], "--name all: use letters"),
        (["run1", "--name", "../up"], "--name ../up: use letters"),
        (["default", "--candidates", "mean"], "configs/ensembles/default.yaml defines 'default'"),
        (["default", "run1"], "'default' is an ensemble: name it alone"),
        (["defualt"], "did you mean default"),
    ],
)
def test_no_other_ensemble_takes_the_name_of_a_config(tiny, monkeypatch, words, expected):
    with pytest.raises(InputError, match=re.escape(expected)):
        run_here(monkeypatch, *words)
    assert list_ensembles() == []


def test_a_run_of_an_ensembles_config_is_named_without_its_path(tiny):
    (tiny / "gz37").mkdir()
    recipe = tiny / "gz37/run0.yaml"
    recipe.touch()
    (tiny / "ensembles/mine.yaml").write_text(f"runs: [{recipe}]\n")
    assert one_line_refusal(load_ensemble_settings, "mine").endswith("without its path: gz37/run0")


@pytest.mark.parametrize("command", ["train", "ensemble"])
@pytest.mark.parametrize(
    ("run", "hint"),
    [
        ("tiny", "run 'tiny' lacks its task: did you mean gz37/tiny or zoo5/tiny?"),
        ("tiny@small", "run 'tiny@small' lacks its task: did you mean gz37/tiny@small or"),
        ("other", "run 'other' lacks its task: write TASK/RUN"),
        ("gz37/tinny", "no run 'gz37/tinny' (no such file in configs/): did you mean gz37/tiny"),
        ("gz37/tiny@smal", "no run 'gz37/tiny@smal': did you mean gz37/tiny?"),
    ],
)
def test_a_wrong_run_of_an_ensembles_config_is_named_with_its_file(
    tiny, monkeypatch, command, run, hint
):
    for recipe in ("gz37/tiny", "zoo5/tiny"):
        path = tiny / f"{recipe}.yaml"
        path.parent.mkdir()
        path.write_text("{task: gz37, model: {name: cnn}}\n")
    path = tiny / "ensembles/mine.yaml"
    path.write_text(f"runs: [gz37/tiny, {run}]\n")
    message = one_line_refusal(run_command, monkeypatch, command, "mine")
    assert message.startswith(f"{path}: {hint}")


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    [
        ("predict", ("all", "pictures/"), "'all' is an ensemble: type ensemble:all"),
        ("predict", ("theirs", "pictures/"), "'theirs' is an ensemble: type ensemble:theirs"),
        ("predict", ("their", "pictures/"), "no such file or folder: their"),
        ("evaluate", ("theirs",), "'theirs' is an ensemble: type ensemble:theirs"),
        ("export", ("theirs",), "'theirs' is an ensemble: type ensemble:theirs"),
        ("ensemble", ("ensemble:default",), "type the ensemble's name alone: default"),
        ("train", ("ensemble:gz37/default",), "type the ensemble's name alone: default"),
        ("ensemble", ("ensemble:hubble10/all",), "src/ensemble.py, type all --task hubble10"),
        ("ensemble", ("ensemble:gz37/theirs",), "name the runs that this ensemble combines"),
    ],
)
def test_a_name_of_an_ensemble_typed_as_elsewhere_is_explained(
    tiny, monkeypatch, command, words, expected
):
    run_here(monkeypatch, "run0", "--candidates", "mean", "--name", "theirs")
    assert expected in one_line_refusal(run_command, monkeypatch, command, *words)


def test_a_damaged_card_stops_no_ensemble_of_another_dataset(tiny, monkeypatch):
    table = RunFolder("other", "gz37/run0").oof_csv
    table.parent.mkdir(parents=True)
    table.touch()
    run_here(monkeypatch, "default", "--dataset", "tiny")
    assert members("default") == ["gz37/run0"]


def test_a_run_with_the_name_of_an_ensemble_needs_another(tiny, monkeypatch):
    catalog = load_catalog("tiny")
    votes = catalog.targets(get_task("gz37"))
    save_run(catalog, "gz37/default", votes, votes[: len(catalog.test_ids)])
    with pytest.raises(InputError, match="'default' is the name of another ensemble: add --name"):
        run_here(monkeypatch, "gz37/default")
    run_here(monkeypatch, "gz37/default", "--name", "theirs")
    assert members("theirs") == ["gz37/default"]


def test_the_copy_to_send_is_the_last_and_a_better_one_comes_back_as_printed(
    tiny, monkeypatch, capsys
):
    monkeypatch.setattr(selection, "CANDIDATES", CANDIDATES)
    published = root_dir() / "submissions/predictions.csv"
    worse = ["--candidates", "mean", "--name", "worse"]
    better = ["--candidates", "mean", "--name", "better"]
    for words, line in (
        (["run1", *worse], "copied to submissions/predictions.csv\n"),
        (["run0", "run1", *better], "copied to submissions/predictions.csv\n"),
        (["run1", *worse], "in place of better, whose RMSE was better (0."),
    ):
        run_here(monkeypatch, *words)
        printed = capsys.readouterr().out
        assert line in printed
        folder = EnsembleFolder("tiny", "gz37", words[-1])
        assert published.read_bytes() == folder.csv.read_bytes()
        assert EnsembleCard.read(card_path(published)).name == folder.name
    folder = EnsembleFolder("tiny", "gz37", "better")
    before = [path.read_bytes() for path in (folder.csv, folder.card)]
    shutil.rmtree(folder.path)
    command = printed.split("to restore it, type `python3 src/ensemble.py ")[1].split("`")[0]
    run_here(monkeypatch, *command.split())
    assert [path.read_bytes() for path in (published, card_path(published))] == before


def test_a_better_ensemble_of_the_same_name_comes_back_under_another(tiny, monkeypatch, capsys):
    catalog = load_catalog("tiny")
    published = root_dir() / "submissions/predictions.csv"
    run_here(monkeypatch, "all")
    before = published.read_bytes()
    poor = np.full((len(catalog.ids), 37), 0.5)
    save_run(catalog, "gz37/poor", poor, np.full((len(catalog.test_ids), 37), 0.5))
    capsys.readouterr()
    run_here(monkeypatch, "all")
    assert published.read_bytes() != before
    printed = capsys.readouterr().out
    command = printed.split("to restore it, type `python3 src/ensemble.py ")[1].split("`")[0]
    run_here(monkeypatch, *command.split())
    assert members("all-earlier") == ["gz37/run0", "gz37/run1"]
    assert published.read_bytes() == before

    save_run(catalog, "gz37/run0", poor, np.full((len(catalog.test_ids), 37), 0.5))
    run_here(monkeypatch, *command.split())
    printed = capsys.readouterr().out
    assert "in place of all-earlier, whose RMSE was better" in printed
    assert "to restore it" not in printed  # run0 was retrained


TASK = get_task("gz37")


def fit_plainly(oof: list[np.ndarray], targets: np.ndarray, folds: np.ndarray) -> tuple:
    """(run, question) weights on all galaxies, and the cross-fitted RMSE, by SciPy alone."""
    weights = []
    predictions = np.empty(targets.shape)
    for group in TASK.groups:
        runs = np.stack(oof)[..., group]  # (run, galaxy, answer)
        votes = targets[:, group]
        for fold in np.unique(folds):
            fitted = nnls(
                runs[:, folds != fold].reshape(len(oof), -1).T, votes[folds != fold].ravel()
            )
            predictions[:, group][folds == fold] = np.tensordot(
                fitted[0], runs[:, folds == fold], 1
            )
        weights.append(nnls(runs.reshape(len(oof), -1).T, votes.ravel())[0])
    return np.array(weights).T, TASK.score(TASK.project(predictions), targets)


def test_a_run_is_compared_with_the_members_and_nothing_is_written(root, monkeypatch, capsys):
    catalog = save_project(n_runs=3)
    targets = catalog.targets(TASK)
    oof = []
    for i in range(3):
        table = pd.read_csv(RunFolder("tiny", f"gz37/run{i}").oof_csv, index_col="GalaxyID")
        oof.append(table[catalog.label_columns].to_numpy())
    weights, score = fit_plainly(oof, targets, catalog.folds)
    by_question = pd.Series(
        np.repeat(weights[2], [group.stop - group.start for group in TASK.groups])
    )
    _, without = fit_plainly(oof[:2], targets, catalog.folds)
    assert isinstance(TASK, VoteTask)
    seventh = TASK.groups[6]
    noise = TASK.vote_noise(targets)[:, seventh].mean()
    expected = []
    for i in range(2):
        ours, theirs = oof[2] - targets, oof[i] - targets
        raw = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
        shared = np.cov(ours[:, seventh].ravel(), theirs[:, seventh].ravel()) - noise
        free = shared[0, 1] / np.sqrt(shared[0, 0] * shared[1, 1])
        expected.append([f"gz37/run{i}", f"{raw:.2f}", f"{free:.2f}"])

    before = listing(root)
    for words in (["run1", "run0"], ["all"]):  # of all, it is one
        run_here(monkeypatch, *words, "--similar", "run2")
        assert listing(root) == before
        _, title, header, *rows, weight, scores = capsys.readouterr().out.splitlines()
        assert title.startswith("correlation with the errors of gz37/run2: ")
        shown = pd.DataFrame([row.split() for row in rows], columns=header.split())
        assert [*shown.columns] == ["run", "raw", "all", *map(str, range(1, 12))]
        assert shown[["run", "raw", "7"]].to_numpy().tolist() == expected
        assert weight == (
            f"nnls gives it a weight of {by_question.mean():.2f} ({weights[2].min():.2f} to "
            f"{weights[2].max():.2f} by question)"
        )
        assert scores.startswith(
            f"cross-fitted RMSE: {score:.5f} with it, {without:.5f} without it "
            f"({without - score:+.5f} ± "
        )


def test_a_run_that_cannot_be_compared_is_one_line(root, monkeypatch):
    catalog = save_project()
    votes = np.full((60, 37), 0.1)
    save_run(catalog, "gz37/cnn", votes, votes[:10], fingerprint="of other folds")
    before = listing(root)
    for words, named in {
        "run0 --similar run9": "no run 'gz37/run9'",
        "run0 --similar run0": "with other runs",
        "run0 --similar hubble10/d4cnn": "not for task 'gz37'",
        "gz37/run0 --task anomaly4 --similar gz37/run1": "of vote fractions",
        "run0 --similar cnn": "another catalog or split",
        "transfer --similar run0": "gz37/d4cnn_large_transfer has no predictions on tiny",
    }.items():
        assert named in one_line_refusal(run_here, monkeypatch, *words.split())
        assert listing(root) == before
