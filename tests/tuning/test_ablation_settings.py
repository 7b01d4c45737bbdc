"""Ablation studies: what a change is laid on, which need no training, and mistakes in the file."""

from pathlib import Path

import pytest

from galaxyzoo.config.loading import all_runs, load_config
from galaxyzoo.config.names import is_ablation
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import configs_dir
from galaxyzoo.models.build import build_model
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.tuning.ablation import Changes
from support.refusals import one_line_refusal
from support.tuning_fixtures import write_study

STUDIES = sorted(path.stem for path in (configs_dir() / "ablations").glob("*.yaml"))

TWICE = [{"name": "a", "changes": ["train.seed=1"]}] * 2

MISTAKES: dict[str, tuple[dict[str, object], str]] = {
    "a name that makes no file": (
        {"changes": [{"name": "../a", "changes": ["train.seed=1"]}]},
        "key 'changes.0.name'",
    ),
    "twice the same name": ({"changes": TWICE}, "change 'a' is listed twice"),
    "of an unknown change": (
        {"changes": [{"name": "a", "of": "b", "changes": ["train.seed=1"]}]},
        "change 'a': no change 'b' before it (of): there are base",
    ),
    "unknown setting": (
        {"changes": [{"name": "a", "changes": ["train.sead=1"]}]},
        "change 'a': unknown key 'train.sead': did you mean 'train.seed' (of first weights",
    ),
    "no change at all": (
        {"changes": [{"name": "a", "changes": ["train.epochs=1", "about=other"]}]},
        "change 'a' changes nothing: base has those settings already",
    ),
    "another task": (
        {"changes": [{"name": "a", "changes": ["task=zoo5", "head.output=softmax"]}]},
        "change 'a': all changes of a study are of one task",
    ),
    "a stage elsewhere": (
        {"changes": [{"name": "a", "changes": ["stages=[{name: b, dataset: zoo5}, {name: c}]"]}]},
        "change 'a' has a stage on another dataset",
    ),
}


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_in_the_tree_builds(name: str) -> None:
    study = Changes.load(name)
    runs = [variant.config.run for variant in study.variants]
    assert len(set(runs)) == len(runs) > 3
    built = []
    for variant in study.variants:
        assert is_ablation(variant.config.run)
        check_transforms(variant.config.augment.transforms, variant.config.image.size_px)
        if variant.config.model not in built:
            build_model(variant.config, initialize=False)
            built.append(variant.config.model)
    assert not any(run.startswith("ablations/") for run in all_runs())


def test_changes_are_laid_on_the_recipe_or_on_the_change_named(tmp_path: Path) -> None:
    study = Changes.load(str(write_study(tmp_path)))
    base, longer, one_view, two_sizes, seed = study.variants
    assert [v.config.run for v in study.variants] == [
        f"gz37/ablation.tiny.{v.name}" for v in study.variants
    ]
    assert (base.baseline, longer.baseline, two_sizes.baseline) == (None, base, one_view)
    assert (longer.config.train.epochs, seed.config.train.epochs) == (2, 1)
    assert two_sizes.config.tta.zooms == (1.0, 1.2)
    assert not two_sizes.config.tta.dihedral
    assert seed.config.tta == base.config.tta
    assert (longer.config.about, one_view.config.about) == ("2 epochs", "tta.dihedral=false")


def test_picking_a_change_picks_what_it_is_compared_with(tmp_path: Path) -> None:
    study = Changes.load(str(write_study(tmp_path)))
    assert [v.name for v in study.pick(["seed"])] == ["base", "seed"]
    assert [v.name for v in study.pick(["two_sizes"])] == ["base", "one_view", "two_sizes"]
    assert study.pick([]) == list(study.variants)
    with pytest.raises(InputError, match=r"no change 'sead': it has base, longer, one_view"):
        study.pick(["sead"])


def test_the_recipe_may_be_a_run(tmp_path: Path) -> None:
    study = Changes.load(str(write_study(tmp_path, base="gz37/resnet18", changes=[])))
    config = load_config("gz37/resnet18")
    assert study.config == config.model_copy(update={"run": "gz37/ablation.tiny.base"})


@pytest.mark.parametrize(("changes", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_it(
    tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    path = write_study(tmp_path, **changes)
    assert named in one_line_refusal(Changes.load, str(path))


def test_a_study_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no ablation study 'gz73': known are gz37$"):
        Changes.load("gz73")
