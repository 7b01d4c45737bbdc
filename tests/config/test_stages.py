"""Recipes of several stages: what each inherits, what its folder's name depends on."""

from pathlib import Path

import pytest

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config
from support.refusals import one_line_refusal

RECIPE = """
task: gz37
model: {name: cnn}
loss: kl
train: {batch_size: 32}
stages:
  - {name: small, image: {size_px: 32}, train: {epochs: 4}}
  - {name: classes, task: hubble10, loss: cross_entropy, train: {epochs: 2}}
  - {name: large, image: {size_px: 64}, train: {epochs: 3, lr: 5.0e-4}}
"""


def load(configs: Path, text: str = RECIPE, *overrides: str, name: str = "net") -> list[Config]:
    """The stages' configs, first to last."""
    (configs / "gz37" / f"{name}.yaml").write_text(text)
    return load_config(f"gz37/{name}", overrides).stages


def test_a_stage_is_the_recipe_with_its_own_changes(configs):
    stages = load(configs)
    assert [stage.stage for stage in stages] == ["small", "classes", "large"]
    assert [stage.task for stage in stages] == ["gz37", "hubble10", "gz37"]
    assert [stage.train.epochs for stage in stages] == [4, 2, 3]
    assert [stage.train.lr for stage in stages] == [1e-3, 1e-3, 5e-4]
    assert [stage.image.size_px for stage in stages] == [32, 80, 64]
    assert [stage.train.batch_size for stage in stages] == [32, 32, 32]
    small, classes, large = stages
    assert small.stages == [small]
    assert classes.stages == [small, classes]
    assert large.stages == stages
    assert not classes.keeps_head  # the task changes
    assert not large.keeps_head
    assert large.run == "gz37/net"
    assert not large.is_earlier_stage
    assert small.is_earlier_stage


def test_the_head_goes_on_where_the_task_does(configs):
    small, large = load(configs, RECIPE.replace("  - {name: classes", "#"))
    assert large.keeps_head
    assert large.stages == [small, large]


def test_the_head_of_votes_goes_on_where_a_rule_makes_classes_of_them(configs):
    by_rule = RECIPE.replace("hubble10", "hubble10, head: {output: rule}")
    small, classes, large = load(configs, by_rule)
    assert [classes.keeps_head, large.keeps_head] == [True] * 2
    assert [small.head_task.name, classes.head_task.name] == ["gz37", "gz37"]
    assert classes.predicted_task.name == "hubble10"


def test_recipes_that_begin_alike_share_their_beginning(configs):
    small, classes, large = load(configs)
    longer = load(configs, RECIPE + "  - {name: last, train: {epochs: 1}}\n", name="longer")
    assert longer[0].run == small.run
    assert longer[1].run == classes.run
    assert longer[2].digest() != longer[3].digest()
    assert longer[2].digest("weights") == large.digest("weights")
    other = load(configs, RECIPE.replace("epochs: 4", "epochs: 5"), name="other")
    assert not {other[0].run, other[1].run} & {small.run, classes.run}
    same = load(configs, RECIPE.replace("task: gz37\n", "about: x\ntask: gz37\n"), name="same")
    assert [stage.run for stage in same[:2]] == [small.run, classes.run]


def test_overrides_hold_in_every_stage_or_in_one(configs):
    stages = load(configs, RECIPE, "train.epochs=1", "stages.large.train.epochs=2", "head.hidden=8")
    assert [one.train.epochs for one in stages] == [1, 1, 2]
    assert {one.head.hidden for one in stages} == {8}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: 3", "net.yaml: `stages:` must be a list"),
        ("stages: [{name: a/b}]", "net.yaml: stage name "),
        ("stages: [{name: a}, {name: a}]", "net.yaml: two stages are named 'a'"),
        ("stages: [{name: a, train: {epoch: 1}}, {name: b}]", "net.yaml, stage 'a': unknown key"),
        ("stages: [{name: a}, {name: b, stages: []}]", "stage 'b': unknown key 'stages'"),
        ("stages: [{name: a}, {name: b, dataset: zoo5}]", "last stage needs the recipe's dataset"),
        ("stages: [{name: a}, {name: b, task: zoo5}]", "the last stage needs the recipe's task"),
        ("stages: [{name: a}, {name: b, predict: true}]", "`predict` is only for stages before"),
        ("stages: [{name: a, recipe: gz37/net}, {name: b}]", "recipe gz37/net contains itself"),
    ],
)
def test_mistakes_name_file_stage_and_key(configs, text, message):
    assert message in one_line_refusal(load, configs, f"task: gz37\nmodel: {{name: cnn}}\n{text}")


def test_an_override_of_a_stage_that_is_not_there_is_named(configs):
    assert "write stages.NAME.key=value" in one_line_refusal(
        load, configs, RECIPE, "stages.huge.train.lr=1"
    )


CLASSES = """
task: hubble10
model: {name: cnn}
head: {hidden: 7}
stages:
  - {name: first, recipe: gz37/net}
  - {name: classes}
"""


def test_a_stage_may_be_another_recipe_as_its_file_says(configs):
    recipe = load(configs)
    (configs / "hubble10").mkdir()
    (configs / "hubble10" / "net.yaml").write_text(CLASSES)
    *inner, classes = load_config("hubble10/net").stages
    assert [one.stage for one in inner] == ["first_small", "first_classes", "first_large"]
    assert [one.digest("weights") for one in inner] == [one.digest("weights") for one in recipe]
    assert (classes.head.hidden, classes.train.batch_size) == (7, 64)
    for overrides, ends_with in (("stages.first.train.epochs=1", 16), ("train.epochs=1", 1)):
        every = load_config("hubble10/net", [overrides]).stages
        assert [one.train.epochs for one in every] == [1, 1, 1, ends_with]
    last = "stages=[{name: a}, {name: b, recipe: gz37/net}]"
    refused = one_line_refusal(load_config, "hubble10/net", [last])
    assert "stage 'b_large': the last stage needs the recipe's run" in refused
    (alone,) = load_config("hubble10/net", ["stages=null"]).stages
    assert alone.digest() != classes.digest()


def test_a_stage_may_be_the_beginning_of_another_recipe(configs):
    recipe = load(configs)
    (configs / "hubble10").mkdir()
    path = configs / "hubble10" / "net.yaml"
    path.write_text(CLASSES.replace("gz37/net", "gz37/net@classes"))
    *inner, _ = load_config("hubble10/net").stages
    assert [one.digest("weights") for one in inner] == [one.digest("weights") for one in recipe[:2]]
    (configs / "gz37" / "plain.yaml").write_text("task: gz37\nmodel: {name: cnn}\n")
    for run, stage in (("gz37/net", "smal"), ("gz37/net", ""), ("gz37/plain", "")):
        path.write_text(CLASSES.replace("gz37/net", f"{run}@{stage}"))
        refused = one_line_refusal(load_config, "hubble10/net", [])
        assert f"stage 'first': recipe {run} has no stage '{stage}'" in refused


def test_a_recipe_on_another_dataset_keeps_those_that_its_stages_name(configs):
    load(configs, RECIPE.replace("name: classes,", "name: classes, dataset: zoo5,"))
    (configs / "hubble10").mkdir()
    text = CLASSES.replace("gz37/net", "gz37/net, dataset: kaggle-mini")
    (configs / "hubble10" / "net.yaml").write_text(text)
    stages = load_config("hubble10/net").stages
    assert [one.dataset for one in stages] == ["kaggle-mini", "zoo5", "kaggle-mini", None]


def test_classes_come_from_votes_where_their_dataset_is_missing(configs, tmp_path, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path))
    load(
        configs,
        RECIPE.replace("task: hubble10,", "task: hubble10, dataset: zoo5, image: {size_px: 48},"),
    )
    dataset = {}
    size_px = {}
    for place in ("without", "with"):
        *_, classes, _ = load_config("gz37/net", dataset="kaggle-mini").stages
        dataset[place], size_px[place] = classes.dataset, classes.image.size_px
        (tmp_path / "input/zoo5").mkdir(parents=True, exist_ok=True)
    assert dataset == {"without": None, "with": "zoo5"}
    assert size_px == {"without": 80, "with": 48}


def test_what_differs_in_name_and_views_has_the_same_weights(configs):
    (plain,) = load(configs, "task: gz37\nmodel: {name: cnn}\n")
    (views,) = load(configs, "task: gz37\nmodel: {name: cnn}\ntta: {angles: 2}\n", name="other")
    (seed,) = load(configs, "task: gz37\nmodel: {name: cnn}\n", "train.seed=1")
    assert plain.digest("weights") == views.digest("weights") != seed.digest("weights")
    assert plain.digest() != views.digest()


def test_a_linear_head_is_of_its_views(configs):
    text = "task: zoo5\nmodel: {name: cnn}\nhead: {hidden: []}\n"
    text += "train: {optimizer: linear, freeze: backbone}\n"
    (eight,) = load(configs, text)
    (one,) = load(configs, text, "tta.dihedral=false")
    assert eight.digest("weights") != one.digest("weights")


@pytest.mark.parametrize(
    "change",
    ["image.field_px=200", "head.hidden=64", "augment.flip=false", "loss=kl", "train.lr=0.01"],
)
def test_what_differs_in_what_is_learned_from_has_other_weights(configs, change):
    (plain,) = load(configs, "task: gz37\nmodel: {name: cnn}\n")
    (other,) = load(configs, "task: gz37\nmodel: {name: cnn}\n", change)
    assert plain.digest("weights") != other.digest("weights")


def test_the_class_recipes_begin_with_what_the_runs_on_votes_train():
    """So that these are not trained again."""
    for task in ("hubble10", "anomaly4", "elliptical_spiral"):
        for net in ("cnn", "resnet18", "mobilenetv2"):
            *earlier, _ = load_config(f"{task}/{net}").stages
            votes = load_config(f"gz37/{net}").stages
            assert [s.digest("weights") for s in earlier] == [s.digest("weights") for s in votes]
