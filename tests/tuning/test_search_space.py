"""Searches: their ranges, the recipe among them, and mistakes in the file."""

from pathlib import Path
from typing import Any

import pytest

from galaxyzoo.config.loading import all_runs
from galaxyzoo.core.paths import configs_dir
from galaxyzoo.models.build import build_model
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.tuning.search_space import Search
from support.refusals import one_line_refusal
from support.tuning_fixtures import BASE, write_search

optuna = pytest.importorskip("optuna")  # of `bash scripts/setup.sh --extras`

SEARCHES = sorted(path.stem for path in (configs_dir() / "tuning").glob("*.yaml"))

LR = {"type": "float", "low": 1e-4, "high": 1e-2}


def space(setting: str, **values: Any) -> dict[str, Any]:
    return {"space": {setting: values}}


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"spaces": {}}, "unknown key 'spaces': did you mean 'space' ("),
    "unknown setting": (
        space("train.lrr", **LR),
        "train.lrr=0.0001: unknown key 'train.lrr': did you mean 'train.lr'",
    ),
    "unknown type": (
        space("train.lr", type="real", low=1, high=2),
        "key 'space.train.lr': Value error, no range of a type float, int, choice ('real')",
    ),
    "low above high": (
        space("train.lr", type="float", low=0.1, high=0.01),
        "key 'space.train.lr': Value error, no range of a type float, int, choice (`low <= high`",
    ),
    "a bound that the setting cannot be": (
        space("head.dropout", type="float", low=0, high=1),
        "tiny.yaml: head.dropout=1.0: key 'head.dropout': Input should be less than 1",
    ),
    "views": (space("tta.angles", type="int", low=1, high=3), "trials are scored on one view"),
    "no range": ({"space": {}}, "key 'space'"),
    "stages": ({"base": {**BASE, "stages": [{"name": "a"}]}}, "base: has several stages"),
}


@pytest.mark.parametrize(("changes", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_it(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    path = write_search(tmp_path, **changes)
    assert named in one_line_refusal(Search.load, str(path))


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_in_the_tree_builds_and_holds_its_recipe(name: str) -> None:
    search = Search.load(name)
    assert search.recipe is not None
    for config in search.edges:
        check_transforms(config.augment.transforms, config.image.size_px)
        build_model(config, initialize=False)
    assert not any(run.startswith("tuning/") for run in all_runs())


def test_the_recipe_is_among_the_draws_where_its_values_are(tmp_path: Path) -> None:
    search = Search.load(str(write_search(tmp_path)))
    assert search.recipe == {
        "model.kwargs.widths": "[8, 16]",
        "head.hidden": 16,
        "head.dropout": 0.3,
        "train.lr": 0.001,
        "augment.zoom": 1.3,
    }
    angles = {"augment.rotate_deg": {"type": "choice", "choices": [0, 180]}}  # of 180.0
    search = Search.load(str(write_search(tmp_path, space=angles)))
    assert search.recipe == {"augment.rotate_deg": "180"}


@pytest.mark.parametrize(
    ("bounds", "is_inside"),
    [
        ({"type": "float", "low": 0.1, "high": 0.3}, True),
        ({"type": "float", "low": 0.1, "high": 0.5, "step": 0.05}, True),
        ({"type": "float", "low": 0.1, "high": 0.55, "step": 0.15}, False),
        ({"type": "float", "low": 0.31, "high": 0.5}, False),
        ({"type": "choice", "choices": [0.1, 0.3]}, True),
        ({"type": "choice", "choices": [0.1, 0.2]}, False),
    ],
)
def test_the_recipe_is_a_trial_where_all_its_values_are_inside(
    tmp_path: Path, bounds: dict[str, Any], is_inside: bool
) -> None:
    base = {**BASE, "head": {"hidden": 16, "dropout": 0.3}, "train": {"epochs": 2}}
    search = Search.load(str(write_search(tmp_path, base=base, space={"head.dropout": bounds})))
    assert (search.recipe is not None) == is_inside
