"""Searches: their ranges, and mistakes in the file."""

from typing import Any

import pytest

from galaxyzoo.config.loading import all_runs
from galaxyzoo.core.paths import configs_dir
from galaxyzoo.extras.tuning.search_space import Search
from galaxyzoo.models.build import build_model
from galaxyzoo.training.augmentation import check_transforms
from support.datasets import write_own_labels
from support.pictures import draw_images
from support.refusals import one_line_refusal
from support.small_models import BASE, write_search

optuna = pytest.importorskip("optuna")  # of `bash scripts/setup.sh --extras`

SEARCHES = sorted(path.stem for path in (configs_dir() / "tuning").glob("*.yaml"))

LR = {"type": "float", "low": 1e-4, "high": 1e-2}
NO_RANGE = "key 'space.train.lr': Value error, not a range of type float, int, choice"


def space(setting: str, **values: Any) -> dict[str, Any]:
    return {"space": {setting: {**LR, **values}}}


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"spaces": {}}, "unknown key 'spaces': did you mean 'space' ("),
    "unknown setting": (space("train.lrr"), "'train.lrr': did you mean 'train.lr'"),
    "unknown type": (space("train.lr", type="real"), f"{NO_RANGE} ('real')"),
    "low above high": (space("train.lr", low=0.1), f"{NO_RANGE} (`low <= high`"),
    "views": (space("tta.angles", type="int", low=1, high=3), "trials have one view"),
    "no range": ({"space": {}}, "key 'space'"),
    "stages": ({"base": {**BASE, "stages": [{"name": "a"}]}}, "`base` needs a recipe with a"),
    "teacher": ({"base": {**BASE, "teacher": {"run": "gz37/cnn"}}}, "and no teacher"),
}


@pytest.mark.parametrize(("changes", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_it(tmp_path, changes, named):
    path = write_search(tmp_path, **changes)
    assert named in one_line_refusal(Search.load, str(path))


def test_a_space_of_which_some_settings_are_valid_is_accepted(tmp_path):
    """Ten times, as it is judged by draws; each is invalid in about 44 % of cases."""
    crop = {"type": "choice", "choices": [108, 216, 324]}
    ranges = {"image.crop_px": crop, "image.cache_px": {"type": "int", "low": 81, "high": 324}}
    path = write_search(tmp_path, space=ranges)
    for _ in range(10):
        Search.load(str(path))


def test_own_labels_are_found_before_they_are_prepared(tmp_path, root):
    images = {f"g{number}": image for number, image in enumerate(draw_images(6))}
    write_own_labels(root / "input/mine", images, "ababab")
    base = {"task": "mine", "model": {"name": "cnn"}}
    search = Search.load(str(write_search(tmp_path, base=base)), "mine")
    assert search.config.predicted_task.columns == ("a", "b")


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_in_the_tree_builds(name):
    search = Search.load(name)
    for layers in search.choices["model.kwargs.layers"]:
        config = search.change(search.decode({"model.kwargs.layers": layers}))
        check_transforms(config)
        build_model(config, initialize=False)
    assert not any(run.startswith("tuning/") for run in all_runs())


def ask_at_random(seed: int, distributions: Any = None) -> Any:
    """The first trial of a random search."""
    sampler = optuna.samplers.RandomSampler(seed=seed)
    return optuna.create_study(sampler=sampler).ask(distributions)


def test_suggestions_are_those_that_optuna_draws_from_the_ranges(tmp_path):
    ranges = {
        "train.lr": {**LR, "log": True},
        "train.epochs": {"type": "int", "low": 2, "high": 64, "log": True},
        "train.batch_size": {"type": "int", "low": 8, "high": 64, "step": 8},
        "head.dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1},
        "head.hidden": {"type": "choice", "choices": [[], [8], [16]]},
    }
    search = Search.load(str(write_search(tmp_path, space=ranges)))
    for seed in range(5):
        trial = ask_at_random(seed)
        assert search.suggest(trial) == ask_at_random(seed, search.space).params
        assert trial.distributions == search.space


def test_ranges_take_numbers_without_a_point_before_their_exponent(tmp_path):
    path = write_search(tmp_path, space={})
    path.write_text(
        path.read_text().replace("space: {}", "")
        + """space:
  train.lr: {type: float, low: 1e-4, high: 5e-3, log: true}
  head.dropout: {type: float, low: 0e0, high: 5e-1, step: 1e-1}
  head.hidden: {type: int, low: 1e1, high: 1e2, step: 1e1}
  train.weight_decay: {type: choice, choices: [1e-4, 1e-3]}
"""
    )
    search = Search.load(str(path))
    assert search.space == {
        "train.lr": optuna.distributions.FloatDistribution(1e-4, 5e-3, log=True),
        "head.dropout": optuna.distributions.FloatDistribution(0.0, 0.5, step=0.1),
        "head.hidden": optuna.distributions.IntDistribution(10, 100, step=10),
        "train.weight_decay": optuna.distributions.CategoricalDistribution(["0.0001", "0.001"]),
    }
    assert search.decode({"train.weight_decay": "0.0001"}) == {"train.weight_decay": 1e-4}
