"""Which input a command means: by name, by path, by what input/ holds for its tasks."""

from pathlib import Path

import pytest

from galaxyzoo.core.extras import installed
from galaxyzoo.core.paths import DEMO, DEMOS
from galaxyzoo.data.readers import find
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from support.datasets import draw_competition, write_labeled
from support.refusals import one_line_refusal

VOTES = draw_competition(n_train=12, n_test=4, seed=1)


@pytest.fixture
def demo(root: Path) -> Path:
    """The demo set, small and made without its renderer."""
    return VOTES.write_zips(root / "input" / DEMO)


def opened(*tasks: str, data: str | None = None) -> DatasetFiles:
    return find.open_input(data, set(tasks))


def refusal(*tasks: str, data: str | None = None) -> str:
    return one_line_refusal(opened, *tasks, data=data)


@pytest.mark.parametrize("task", ["gz37", "elliptical_spiral", "hubble10", "anomaly4", "zoo5"])
def test_tasks_on_votes_take_the_demo_where_nothing_is_there(demo, task):
    raw = opened(task)
    assert (raw.dataset, raw.galaxy_ids) == (DEMO, False)
    assert opened(task, data="demo").dataset == DEMO


@pytest.mark.parametrize("task", ["galaxy10", "galaxy10_decals"])
def test_a_task_without_labels_in_input_says_so(root, task):
    assert f"input/ has no labels for task '{task}'" in refusal(task)
    assert not (root / "input" / DEMO).exists()
    VOTES.write_zips(root / "input")  # votes do not help
    assert f"input/ has no labels for task '{task}'" in refusal(task)


def test_tasks_on_votes_take_the_competition(demo):
    VOTES.write_zips(demo.parent / "mine")
    for tasks in (["gz37"], ["gz37", "hubble10"], ["zoo5"]):
        raw = opened(*tasks)
        assert raw.folder == demo.parent / "mine"
        assert raw.dataset.startswith("kaggle-")
        assert raw.galaxy_ids


@pytest.mark.parametrize("where", ["", "small"])
def test_labels_of_the_task_go_before_the_demo(demo, where, capsys):
    folder = write_labeled(demo.parent / where)
    assert opened("zoo5").folder == folder
    assert opened("zoo5").dataset == (where or "input")
    assert opened("gz37").dataset == DEMO  # which they are of no use for
    assert ("(for small/, add --data small)" in capsys.readouterr().out) == bool(where)
    assert opened("elliptical_spiral").dataset == DEMO


def test_labels_and_a_competition_that_are_both_good_need_a_word(demo, monkeypatch):
    (write_labeled(demo.parent / "small") / "features.h5").touch()  # of no dataset
    VOTES.write_zips(demo.parent / "mine")
    assert refusal("zoo5").endswith("fit zoo5: add --data with one of mine, small")
    assert opened("gz37").folder == demo.parent / "mine"
    monkeypatch.chdir(demo.parent.parent)
    for data in ("small", "input/small", str(demo.parent / "small")):
        assert opened("zoo5", data=data).dataset == "small"
    for data in ("mine", "input/mine", str(demo.parent / "mine")):
        assert opened("zoo5", data=data).dataset.startswith("kaggle-")
    VOTES.write_zips(demo.parent)
    assert refusal("zoo5").endswith("add --data with one of input, small")


def test_hidden_folders_the_cache_and_the_demo_hold_no_labels(demo):
    for name in (".half", "cache", *DEMOS):
        write_labeled(demo.parent / name)
    assert not find.is_anything_there()


OF_EXTRAS = ["run.h5", "x.npz", "mine/labels.csv"] if installed() else []


@pytest.mark.parametrize("name", ["a/train_labels.csv", *OF_EXTRAS])
def test_what_is_broken_stops_only_who_names_it(demo, capsys, name):
    broken = demo.parent / name
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("id,class\n")
    assert opened("gz37").folder == demo
    VOTES.write_zips(demo.parent)
    for data in (None, str(demo.parent)):
        assert opened("gz37", "zoo5", data=data).folder == demo.parent
    assert f"skipped: input/{name}" in capsys.readouterr().out
    is_file = broken.parent == demo.parent
    assert f"input/{name}" in refusal("gz37", data=str(broken if is_file else broken.parent))


def test_a_name_that_is_nowhere_is_named(demo):
    for task in ("zoo5", "gz37"):
        assert "--data nowhere: not found here or in input/" in refusal(task, data="nowhere")
    (demo.parent / "kaggle-mini/images").mkdir(parents=True)
    assert "did you mean kaggle-mini?" in refusal("gz37", data="kagle-mini")
    line = "--data kaggle-mini: input/kaggle-mini has images, but no table of labels"
    assert line in refusal("zoo5", data="kaggle-mini")
