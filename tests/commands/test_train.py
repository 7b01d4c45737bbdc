"""Plans of what is typed: runs, their order, folds, refits and data; nothing is trained."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from galaxyzoo.commands import train
from galaxyzoo.config import base
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.results.fold_files import DONE, training_number
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.training.plan import Plan, prepare_all
from support.datasets import draw_competition, write_labeled, write_own_labels
from support.pictures import draw_images
from support.refusals import listing, one_line_refusal
from support.small_models import small_config
from support.trained import save_run

STAGES = [
    {"name": "small", "predict": True},
    {"name": "classes", "dataset": "other", "task": "zoo5", "loss": "cross_entropy"},
    {"name": "large", "train": {"epochs": 2}},
]
RECIPES: dict[str, dict] = {
    "gz37/net": {"stages": STAGES},
    "gz37/same_start": {"stages": [STAGES[0], {"name": "end"}]},
    "gz37/gpu": {"needs_gpu": True},
    "gz37/careful": {"on_bad_image": "drop"},
    "labels/head": {"task": "labels"},
    "labels/finetune": {"task": "labels"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a competition, four sets of labels, few recipes and an ensemble."""
    root = tmp_path_factory.mktemp("plans")
    draw_competition(n_train=12, n_test=3).write_zips(root / "input" / "votes")
    for place in ("input/mine", "input/yours", "elsewhere/away"):
        name = Path(place).name
        images = {f"{name}{number}": image for number, image in enumerate(draw_images(6))}
        write_own_labels(root / place, images, "ababab")
    write_labeled(root / "input/known", n=10)
    (root / "input/other").mkdir()  # what a stage names is opened when it is prepared
    for run, changes in RECIPES.items():
        path = root / "configs" / f"{run}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = {"task": "gz37", "model": {"name": "cnn"}, **changes}
        path.write_text(yaml.safe_dump(values))
    (root / "configs/demo.yaml").write_text("gz37/gpu: [train.epochs=1]\n")
    (root / "configs/ensembles").mkdir()
    for name, runs in {"default": ["net@small"], "pair": ["net", "same_start"]}.items():
        settings = {"runs": [f"gz37/{run}" for run in runs]}
        (root / f"configs/ensembles/{name}.yaml").write_text(yaml.safe_dump(settings))
    return root


@pytest.fixture
def votes(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GALAXYZOO_ROOT", str(project))
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(project / "configs"))
    monkeypatch.chdir(project)
    return project


def resolve(runs: Sequence[str], data: str | None = "votes", **options: Any) -> Plan:
    return train.resolve(train.TrainOptions(runs=tuple(runs), data=data, **options))


def names(configs: Sequence[Config]) -> list[str]:
    """Runs without their task; of an earlier stage its recipe's and its own name."""
    return [c.title if c.is_earlier_stage else c.run.split("/")[1] for c in configs]


@pytest.mark.parametrize(
    ("words", "data", "asked"),
    [
        ([], "votes", ["net"]),  # the runs of `default`
        (["pair"], "votes", ["net", "same_start"]),
        (["gz37/net", "pair", "gz37/net@small"], "votes", ["net", "same_start"]),
        (["gz37/gpu", "configs/gz37/gpu.yaml"], "votes", ["gpu"]),
        (["gz37/net@small", "configs/gz37/net.yaml@small"], "votes", ["net"]),
        (["configs/ensembles/pair.yaml", "pair"], "votes", ["net", "same_start"]),
        (["gz37/net@classes", "stages.classes.predict=true"], "votes", ["net"]),
        (["gz37"], "votes", ["careful", "same_start"]),  # neither a GPU nor other data
        ([], "mine", ["head"]),
        ([], "known", ["head"]),  # classes of a known task, without votes
        (["zoo5/finetune"], "known", ["finetune"]),
        (["stages=null"], "mine", ["head"]),  # which the default's net@small would lack
        (["mine"], None, ["finetune", "head"]),
        (["mine/finetune"], None, ["finetune"]),
        (["away/finetune"], "elsewhere/away", ["finetune"]),
    ],
)
def test_words_mean_runs_each_once(votes, words, data, asked):
    before = listing(votes)
    plan = resolve(words, data)
    assert names(plan.asked) == asked
    task = plan.raw.own_task
    assert task is None or all(config.predicted_task == task for config in plan.asked)
    assert listing(votes) == before


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("zoo5/heda", "no run 'zoo5/heda' (no such file in configs/): did you mean zoo5/head?"),
        ("known/head", "input/known has the classes of zoo5: type zoo5 in place of known"),
    ],
)
def test_runs_of_a_known_task_are_named_where_another_name_was_typed(votes, word, expected):
    assert expected in one_line_refusal(resolve, [word], None)


def test_what_a_run_needs_is_before_it_and_what_two_need_is_there_once(votes):
    plan = resolve(["pair"])
    assert names(plan.configs) == [
        "stage small of gz37/same_start",  # of the last recipe that has it
        "stage classes of gz37/net",
        "net",
        "net@small",
        "same_start",
        "same_start@small",
    ]
    assert plan.other_datasets == {"other": {"zoo5"}}
    assert resolve(["gz37/gpu"]).other_datasets == {}


def test_settings_hold_in_every_run(votes):
    plan = resolve(["gz37/gpu", "train.lr=0.5", "gz37/same_start"])
    assert [config.train.lr for config in plan.configs] == [0.5] * 4
    message = one_line_refusal(resolve, ["gz37/gpu", "train.epoch=3"])
    assert "gpu.yaml + train.epoch=3: unknown key 'train.epoch'" in message


def test_bad_images_are_dropped_where_a_run_says_so(votes):
    runs = ["gz37/gpu", "gz37/careful"]
    assert [resolve([run]).drops_bad_images for run in runs] == [False, True]
    assert resolve(runs).drops_bad_images


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("task: gz_37\n", "unknown task 'gz_37': choose from gz37, "),
        ("", "key 'task' is missing"),
        ("task:\n", "key 'task': Input should be a valid string (got None)"),
    ],
)
def test_a_recipe_of_no_known_task_is_named_before_data_are_searched(
    votes, tmp_path, monkeypatch, content, message
):
    recipe = tmp_path / "typo.yaml"
    recipe.write_text(f"{content}model: {{name: cnn}}\n")
    for data in (None, "votes"):
        assert one_line_refusal(resolve, [str(recipe)], data).startswith(f"{recipe}: {message}")
    assert resolve([str(recipe), "task=gz37"], None).asked[0].task == "gz37"
    monkeypatch.setattr(train, "open_input", None)  # never called
    one_line_refusal(resolve, [str(recipe)], None)


@pytest.mark.parametrize("word", ["gz37/gpu", "configs/gz37/gpu.yaml"])
@pytest.mark.parametrize(("dataset", "short"), [("demo", ["gz37/gpu"]), ("demo-full", [])])
def test_schedules_are_short_on_the_demo_set_alone(votes, monkeypatch, dataset, short, word):
    def open_input(*arguments: Any) -> object:
        return replace(opened(*arguments), dataset=dataset)

    opened = train.open_input
    monkeypatch.setattr(train, "open_input", open_input)
    plan = resolve([word, "gz37/careful"])
    assert plan.on_demo_schedule == short
    assert (plan.asked[0].train.epochs == 1) == bool(short)


def test_a_recipe_is_parsed_once(votes, monkeypatch):
    read: list[str] = []
    parse = base.parse_yaml

    def note(content: bytes, path: Path) -> object:
        read.append(path.name)
        return parse(content, path)

    monkeypatch.setattr(base, "parse_yaml", note)
    (votes / "fresh.yaml").write_text("task: gz37\nmodel: {name: cnn}\n")
    plan = resolve(["fresh.yaml", "fresh.yaml", "train.lr=0.5"])
    assert [config.train.lr for config in plan.configs] == [0.5]
    assert read.count("fresh.yaml") == 1
    assert resolve(["fresh.yaml"]).asked[0].train.lr != 0.5


def test_two_recipes_of_one_name_are_refused(votes, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text((votes / "configs/gz37/gpu.yaml").read_text())
    assert names(resolve([str(path)]).asked) == ["net"]
    line = one_line_refusal(resolve, ["gz37/net", str(path)])
    assert line == "two of these recipes are named gz37/net: rename one's file"


@pytest.mark.parametrize("words", [["gz37/gpu", "mine/head", "yours"], ["mine", "yours/head"]])
def test_own_labels_of_two_datasets_are_refused(votes, words):
    message = one_line_refusal(resolve, words, None)
    assert message == "mine and yours are two datasets: train one after the other"


@pytest.mark.parametrize(
    ("options", "numbers", "jobs"),
    [
        ({}, [0, 1, 2], None),
        ({"seeds": 2}, [0, 1, 2], None),  # of refits that nobody asked for
        ({"only": (1,)}, [1], 1),  # in this process
        ({"only": (1,), "jobs": 4}, [1], 4),
        ({"only": (0, 2)}, [0, 2], None),
        ({"refit": True, "seeds": 2, "jobs": 3}, [0, 1, 2, 1000, 1001], 3),
        ({"refit": True, "only": (2,)}, [2, 1000], 1),
    ],
)
def test_folds_refits_and_jobs(votes, options, numbers, jobs):
    plan = resolve(["gz37/gpu"], **options)
    assert [training_number(name) for name in plan.trainings(3)] == numbers
    assert plan.jobs == jobs


@pytest.mark.parametrize("only", [(3,), (0, 7), (-1,)])
def test_folds_that_the_split_lacks_are_refused(prepared, only):
    config = small_config()
    plan = Plan([config.run], prepared.raw, [config], [config], only)
    assert one_line_refusal(prepare_all, plan) == "--only: choose from folds 0 to 2"


def test_imported_runs_are_refitted_without_their_folds(prepared):
    def save(run: str, **changes: object) -> None:
        catalog = prepared
        votes = np.full((len(catalog.ids), 37), 0.1)
        save_run(catalog, run, votes, votes[: len(catalog.test_ids)], **changes)

    def plan(*runs: str, refits: int = 0) -> Plan:
        asked = [small_config(run=run) for run in runs]
        return Plan(runs, prepared.raw, asked, asked, refits=refits)

    digests = {"oof": "", "test": ""}
    save("gz37/theirs", imported=digests, config="")
    save("gz37/exported", imported=digests)
    begun = RunFolder(prepared.dataset, "gz37/begun")
    begun.training("fold_0").mkdir(parents=True)
    (begun.training("fold_0") / DONE).touch()
    begun.card.write_text("of earlier folds, and damaged: training writes it again")
    folds = ["fold_0", "fold_1", "fold_2"]
    assert plan("gz37/begun").trainings(3) == folds
    assert plan("gz37/theirs", refits=2).trainings(3) == ["refit_0", "refit_1"]
    assert plan("gz37/theirs", "gz37/exported", refits=1).trainings(3) == ["refit_0"]
    assert plan("gz37/exported").trainings(3) == folds  # its config is known
    assert plan("gz37/exported", "gz37/new", refits=1).trainings(3) == [*folds, "refit_0"]
    message = "gz37/theirs was imported: name it alone with --refit, or train a renamed recipe"
    for refused in (plan("gz37/theirs"), plan("gz37/new", "gz37/theirs", refits=1)):
        with pytest.raises(InputError, match=message):
            refused.trainings(3)


def test_an_ensemble_has_all_its_runs_or_is_none(votes):
    plan = resolve(["pair", "gz37/gpu"])
    both = {"gz37/net", "gz37/same_start"}
    every = ["all", "--task", "gz37"]
    assert plan.ensembles(both) == [["pair"]]
    assert plan.ensembles({*both, "gz37/gpu"}) == [["pair"], every]
    assert plan.ensembles({"gz37/net"}) == [every]
    assert plan.ensembles(set()) == []
    assert resolve([]).ensembles({"gz37/net", "gz37/net@small"}) == [["default"]]
    assert resolve([]).ensembles({"gz37/net"}) == [every]  # a member that diverged is none


def test_a_log_has_the_training_before_its_ensemble(tmp_path):
    """In a file, lines of the training would wait in Python's buffer."""
    start = "from galaxyzoo.commands import train; print('trained'); train.ensemble(['--help'])"
    log = tmp_path / "log"
    with open(log, "w", encoding="utf-8") as file:
        environment = {**os.environ, "PYTHONPATH": str(CODE_ROOT / "src"), "PYTHONUNBUFFERED": ""}
        subprocess.run([sys.executable, "-c", start], stdout=file, check=True, env=environment)
    first, *rest = log.read_text(encoding="utf-8").splitlines()
    assert first == "trained"
    assert any(line.startswith("usage: ") for line in rest)
