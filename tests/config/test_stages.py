"""Recipes of several stages: what each inherits, what its folder's name depends on."""

from pathlib import Path

import pytest
import yaml

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
    found = [load_config(f"gz37/{name}", overrides)]
    while found[0].before:
        found.insert(0, found[0].before)
    return found


def test_a_stage_is_the_recipe_with_its_own_changes(configs):
    small, classes, large = load(configs)
    assert [one.stage for one in (small, classes, large)] == ["small", "classes", "large"]
    assert [one.task for one in (small, classes, large)] == ["gz37", "hubble10", "gz37"]
    assert [one.train.epochs for one in (small, classes, large)] == [4, 2, 3]
    assert [one.train.lr for one in (small, classes, large)] == [1e-3, 1e-3, 5e-4]
    assert [one.image.size_px for one in (small, classes, large)] == [32, 80, 64]
    assert {one.train.batch_size for one in (small, classes, large)} == {32}
    assert (small.model.start_run, large.model.start_run) == (None, classes.run)
    assert classes.model.start_run == small.run
    assert [classes.model.start_head, large.model.start_head] == [False] * 2  # the task changes
    assert large.run == "gz37/net"
    assert not large.is_earlier_stage
    assert small.is_earlier_stage


def test_the_head_goes_on_where_the_task_does(configs):
    small, large = load(configs, RECIPE.replace("  - {name: classes", "#"))
    assert large.model.start_head
    assert large.model.start_run == small.run


def test_recipes_that_begin_alike_share_their_beginning(configs):
    small, classes, large = load(configs)
    longer = RECIPE + "  - {name: last, train: {epochs: 1}}\n"
    *begin, large_of_longer, last = load(configs, longer, name="longer")
    assert [one.run for one in begin] == [small.run, classes.run]
    assert large_of_longer.digest() != last.digest()
    assert large_of_longer.model == large.model
    other = load(configs, RECIPE.replace("epochs: 4", "epochs: 5"), name="other")
    assert not {one.run for one in other[:2]} & {small.run, classes.run}
    same = load(configs, RECIPE.replace("task: gz37\n", "about: x\ntask: gz37\n"), name="same")
    assert [one.run for one in same[:2]] == [small.run, classes.run]


def test_overrides_hold_in_every_stage_or_in_one(configs):
    stages = load(configs, RECIPE, "train.epochs=1", "stages.large.train.epochs=2", "head.hidden=8")
    assert [one.train.epochs for one in stages] == [1, 1, 2]
    assert {one.head.hidden for one in stages} == {8}


def test_a_recipe_without_stages_is_one_training(configs):
    (plain,) = load(configs, "task: gz37\nmodel: {name: cnn}\n")
    assert (plain.stage, plain.before) == ("", None)


def test_what_is_saved_with_the_run_is_the_recipe(configs):
    *_, large = load(configs)
    saved = yaml.safe_load(yaml.safe_dump(large.model_dump(mode="json")))
    assert Config.parse(saved, "saved") == large


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: 3", "net.yaml: expected `stages:` with a list"),
        ("stages: []", "net.yaml: expected `stages:` with a list"),
        ("stages: [{train: {epochs: 1}}]", "net.yaml: a stage's name has letters"),
        ("stages: [{name: a/b}]", "net.yaml: a stage's name has letters"),
        ("stages: [{name: a}, {name: a}]", "net.yaml: two stages are named 'a'"),
        ("stages: [{name: a, train: {epoch: 1}}, {name: b}]", "net.yaml, stage 'a': unknown key"),
        ("stages: [{name: a}, {name: b, stages: []}]", "stage 'b': unknown key 'stages'"),
        ("stages: [{name: a}, {name: b, model: 3}]", "stage 'b': key 'model'"),
        ("stages: [{name: a}, {name: b, dataset: zoo5}]", "the last stage is on the recipe's own"),
        ("dataset: zoo5", "net.yaml: unknown key 'dataset'"),
        ("stages: [{name: a}, {name: b, task: zoo5}]", "the last stage has the recipe's task"),
        (
            "stages: [{name: a}, {name: b, model: {start_run: gz37/x}}]",
            "stage 'b': model.start_run: it starts from the stage before",
        ),
    ],
)
def test_mistakes_name_file_stage_and_key(configs, text, message):
    assert message in one_line_refusal(load, configs, f"task: gz37\nmodel: {{name: cnn}}\n{text}")


def test_an_override_of_a_stage_that_is_not_there_is_named(configs):
    assert "write stages.NAME.key=value" in one_line_refusal(
        load, configs, RECIPE, "stages.huge.train.lr=1"
    )
