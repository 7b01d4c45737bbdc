"""The report of a task, from artifacts on disk to the page, as a user calls it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.config.loading import load_config
from galaxyzoo.core import files
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import prepare
from galaxyzoo.ensemble import fitted
from galaxyzoo.extras.reports import evaluate
from galaxyzoo.extras.reports.command import sort_by_task
from galaxyzoo.extras.reports.evaluate import load_evaluation, summarize
from galaxyzoo.extras.reports.results import HoldoutResult
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.fold_files import DONE
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.registry import get_task
from support.commands import call, complaint, succeed
from support.datasets import draw_clear_competition, write_classes
from support.pictures import read_embedded
from support.report_pages import read_sky_links
from support.trained import N_FOLDS, run_command, save_classes, save_table


def draw_inputs(root: Path) -> tuple[Catalog, Catalog]:
    """A competition with clear first answers, and `toy` with the ten classes of hubble10."""
    draw_clear_competition(np.arange(24) % 2 == 0, n_test=2).write_zips(root / "input" / "mini")
    names = np.repeat(get_task("hubble10").columns, 4)
    write_classes(root / "input" / "toy", dict(enumerate(names, start=500)))
    made = prepare("mini", n_folds=N_FOLDS), prepare("toy", n_folds=N_FOLDS, tasks={"hubble10"})
    return made[0], made[1]


@pytest.mark.slow
def test_the_command_writes_a_page_with_tables_and_pictures_for_each_kind_of_task(root):
    mini, toy = draw_inputs(root)
    about = load_config("gz37/resnet18").about
    start = "scratch (no download)"
    save_table(mini, "gz37/cnn", 0.3, about=about, start=start)
    predicted = save_table(
        mini, "ensemble:all", 0.2, runs={"gz37/cnn": 0.1}, members={"gz37/cnn": "a digest"}
    )
    save_table(mini, "elliptical_spiral/cnn", 1.5)
    save_table(mini, "elliptical_spiral/source", 1.0, folds=(1,), selected_on_validation=True)
    save_table(toy, "hubble10/cnn", 1.2)
    origins = [f"weights/gz37/d4cnn ({fold:016x})" for fold in range(3)]
    start = " / ".join([*origins, "scratch"])
    save_table(toy, "hubble10/leaky", 0.1, possible_leakage=True, start=start)
    leaky = RunFolder("toy", "hubble10/leaky").oof_csv.with_suffix(".json")
    held_out = {k: v for k, v in files.read_json(leaky).items() if "fold" not in k}
    write_sealed(leaky.with_stem("cnn_holdout"), held_out | {"possible_leakage": False})
    result = succeed(root, "evaluate.py", "hubble10", "elliptical_spiral", "gz37")
    assert "reports/index.html lists all reports; ensemble:all, RMSE" in result.stdout
    assert result.stdout.count("report: reports/") == 3

    reports = root / "reports"
    votes, classes = reports / mini.dataset / "gz37", reports / "toy" / "hubble10"
    for folder, n_charts in ((votes, 11), (classes, 1)):
        page = (folder / "index.html").read_text()
        tables = [path.name for path in folder.glob("*.csv")]
        addresses = re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', page)
        assert sorted(addresses) == sorted(["../../index.html", *tables])
        assert page.count('<svg viewBox="0 0') == n_charts
        galaxies = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', page)
        assert len(galaxies) == 12
        assert min(read_embedded(data).std() for data in galaxies) > 5
    page = (votes / "index.html").read_text()
    assert "ResNet18, 80 px; start: scratch (no download)" in page
    assert "ImageNet" not in page
    assert "Chosen: mean. Differences" in page  # itself the best: no rule is named
    runs = pd.read_csv(votes / "runs.csv", index_col="run")
    errors = predicted - mini.targets(get_task("gz37"))
    assert runs["RMSE"]["ensemble:all"] == pytest.approx(np.sqrt(np.mean(errors**2)), abs=1e-6)
    assert runs.index.tolist() == ["ensemble:all", "gz37/cnn"]
    assert "ratio of probability to frequency" in (classes / "index.html").read_text()

    assert "trained on it, except possibly by runs with †" in (classes / "index.html").read_text()
    assert "; start: weights/gz37/d4cnn / scratch</td>" in (classes / "index.html").read_text()

    index = (reports / "index.html").read_text()
    assert "ensemble:all: out-of-fold RMSE" in index
    pages = [f"{mini.dataset}/{task}" for task in ("elliptical_spiral", "gz37")] + ["toy/hubble10"]
    assert re.findall(r'<li><a href="([^"]+)/index.html">', index) == pages
    assert all((reports / link).exists() for link in re.findall(r'href="([^#"]+)"', index))

    partial = reports / mini.dataset / "elliptical_spiral"
    runs = pd.read_csv(partial / "runs.csv")
    assert runs["run"].tolist() == ["elliptical_spiral/cnn", "elliptical_spiral/source *"]
    assert runs["finished folds"].isna().tolist() == [True, False]


@pytest.fixture
def project(root):
    """The catalog of galaxies with two classes and no images, and one run."""
    catalog = save_classes(["spiral", "edge_on"] * 9)
    save_table(catalog, "zoo5/cnn", 1.0)
    return catalog


def test_the_headline_is_that_of_the_run_asked_for(project, root):
    save_table(project, "zoo5/weak", 2.0)
    for asked, run in (([], "zoo5/cnn"), (["zoo5/weak"], "zoo5/weak")):
        summary = summarize(load_evaluation("zoo5", asked, None, root / "reports"), "")
        score = RunCard.of(project.dataset, run).score_text
        assert summary[run].startswith(f"out-of-fold {score}")
        assert next(iter(summary)) == run


def test_the_app_is_next_where_all_networks_are_there(project, root, monkeypatch, capsys):
    members = {"runs": {"zoo5/cnn": 1.0}, "members": {"zoo5/cnn": "as combined"}}
    save_table(project, "ensemble:zoo5/all", 2.0, **members)

    def next_command(name: str) -> str:
        run_command(monkeypatch, "evaluate", name)
        _, _, command = capsys.readouterr().out.partition("next: ")
        return command.strip()

    assert next_command("zoo5/cnn") == next_command("ensemble:zoo5/all") == ""
    monkeypatch.setattr(fitted, "digest_networks", lambda *_: "as combined")
    mark = RunFolder(project.dataset, "zoo5/cnn").training("fold_0") / DONE
    mark.parent.mkdir(parents=True)
    mark.touch()
    for name in ("zoo5/cnn", "ensemble:zoo5/all"):
        assert next_command(name) == f"python3 src/app.py {name} --dataset {project.dataset}"


def test_of_hold_outs_those_asked_for_are_shown(project, root, monkeypatch):
    (whole,) = load_evaluation("zoo5", [], None, root / "reports").results
    card: Any = whole.card  # has what the page shows
    holdouts = []
    for name in ("zoo5/a", "zoo5/b"):
        holdouts.append(
            HoldoutResult(f"{name}_holdout", whole.table, whole.targets, whole.unscored, card)
        )
    folders = [RunFolder(project.dataset, name) for name in ("zoo5/a", "zoo5/b")]
    monkeypatch.setattr(evaluate.layout, "list_holdouts", lambda task: folders)
    monkeypatch.setattr(evaluate, "load_holdouts", lambda *_: (holdouts, []))
    for asked, shown in (
        ([], ["zoo5/cnn", "zoo5/a_holdout", "zoo5/b_holdout"]),
        (["zoo5/b"], ["zoo5/b_holdout"]),
    ):
        evaluation = load_evaluation("zoo5", asked, None, root / "reports")
        assert [result.run for result in evaluation.shown] == shown
    summary = summarize(evaluation, "")
    assert summary["zoo5/b_holdout"].startswith("hold-out log-loss")


def test_a_galaxy_links_to_its_place_on_the_sky(root, monkeypatch):
    names = np.repeat(get_task("zoo5").columns, 3)
    folder = write_classes(root / "input" / "toy", dict(enumerate(names, start=500)))
    table = pd.read_csv(folder / "train_labels.csv")
    table = table.assign(ra=table["GalaxyID"] - 400.25, dec=500 - table["GalaxyID"])
    table.to_csv(folder / "train_labels.csv", index=False)
    save_table(prepare("toy", n_folds=N_FOLDS, tasks={"zoo5"}), "zoo5/cnn", 3.0)
    run_command(monkeypatch, "evaluate", "zoo5")
    page = (root / "reports" / "toy" / "zoo5" / "index.html").read_text(encoding="utf-8")
    places = read_sky_links(page)
    assert places == {galaxy: (int(galaxy) - 400.25, 500 - int(galaxy)) for galaxy in places}
    assert len(places) == page.count('alt="galaxy ') > 0


def test_without_images_the_report_says_so_and_has_all_else(root, project):
    result = succeed(root, "evaluate.py", "zoo5", "--output", root / "elsewhere")
    assert "No galaxy images: input/ no longer contains" in result.stdout
    assert not (root / "input" / "demo").exists()  # none was drawn in their place
    folder = root / "elsewhere" / "bare" / "zoo5"
    page = (folder / "index.html").read_text()
    assert "No galaxy images" in page
    assert "calibration" in page
    assert "data:image/jpeg" not in page
    assert not list((root / "reports").iterdir())


def test_a_class_without_galaxies_in_the_finished_folds_is_no_crash(root, project):
    save_table(project, "zoo5/cnn", 1.0)
    save_table(project, "zoo5/half", 0.5, folds=(0,))
    assert "UndefinedMetricWarning" not in succeed(root, "evaluate.py", "zoo5/half").stderr
    folder = root / "reports" / "bare" / "zoo5"
    report = pd.read_csv(folder / "half_report.csv", index_col="class")
    assert report["galaxies"]["cigar_shaped_smooth"] == 0
    assert report["galaxies"]["spiral"] == 3
    runs = pd.read_csv(folder / "runs.csv")
    assert runs["run"].tolist() == ["zoo5/cnn", "zoo5/half"]
    assert runs["macro AUC"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zoo6"], "unknown task 'zoo6'"),
        (["anomaly4"], "no out-of-fold table of task 'anomaly4'"),
        (["zoo5", "zoo5/resnet"], "run 'zoo5/resnet' has no out-of-fold table.*zoo5/cnn"),
        (["ensemble:zoo5/all"], "no ensemble 'ensemble:zoo5/all'"),
        (["zoo5", "--dataset", "other"], "dataset 'other' has no out-of-fold table of task 'zoo5'"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line_and_status_one(root, project, arguments, message):
    assert re.search(message, complaint(call(root, "evaluate.py", *arguments)))
    assert not list((root / "reports").iterdir())


def test_the_path_of_a_recipe_is_the_name_of_its_run():
    recipe = CODE_ROOT / "configs/gz37/cnn.yaml"
    assert sort_by_task([str(recipe), "gz37/d4cnn"], None) == {"gz37": ["gz37/cnn", "gz37/d4cnn"]}
