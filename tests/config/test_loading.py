"""Configs: every one in the tree builds; a mistake in one is an error that names file and key."""

from dataclasses import replace
from pathlib import Path

import pytest

from galaxyzoo.config.base import commented_yaml
from galaxyzoo.config.loading import (
    CONFIG,
    all_ensembles,
    all_runs,
    config_path,
    find_recipe,
    load_config,
    load_ensemble_settings,
    load_run_config,
    own_runs,
    portable_config,
    runs_of,
)
from galaxyzoo.config.schema import SET_WHEN_LOADED, parse_config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import CODE_ROOT, configs_dir
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS
from support.refusals import one_line_refusal

TINY = "task: gz37\nmodel:\n  name: cnn\n"

MISTAKES = {
    "no task": ("model: {name: cnn}\n", "'task' is missing"),
    "no such task": ("task: gz38\nmodel: {name: cnn}\n", "unknown task 'gz38': choose from gz37"),
    "a list": ("- a\n", "expected `key: value` pairs"),
    "unknown key": ("epoch: 3\n", "unknown key 'epoch': did you mean 'train.epochs' (passes over"),
    "below the range": ("train:\n  epochs: -1\n", "'train.epochs'"),
    "no such choice": ("head:\n  output: logits\n", "'head.output'"),
    "cache larger than the crop": ("image: {crop_px: 64, cache_px: 128}\n", "image.cache_px"),
    "no YAML": ("train: [\n", "is invalid YAML"),
}


@pytest.mark.parametrize("run", all_runs())
def test_every_config_builds_and_a_typo_in_it_fails(run):
    loaded = load_config(run)
    assert loaded.run == run
    assert "ImageNet" not in loaded.about  # where there is no download, it starts from scratch
    values = loaded.model_dump()
    assert parse_config(values, run) == loaded
    values["train"]["epohcs"] = 1
    with pytest.raises(InputError, match=r"train\.epohcs"):
        parse_config(values, run)


ENSEMBLES = sorted(configs_dir().glob("ensembles/*.yaml"))


@pytest.mark.parametrize("path", ENSEMBLES, ids=lambda p: p.stem)
def test_every_ensemble_names_runs_that_exist(path):
    for run in load_ensemble_settings(
        path.stem
    ).runs:  # a stage's networks are a run if it says `predict`
        recipe = run.split("@")[0]
        assert recipe in all_runs()
        assert run in [one.run for one in load_config(recipe).runs]


@pytest.mark.parametrize(("text", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_key(configs, text, named):
    begin = "" if text.startswith(("task", "model", "- a")) else TINY
    (configs / "gz37" / "mine.yaml").write_text(begin + text)
    message = one_line_refusal(load_config, "gz37/mine")
    assert "mine.yaml" in message
    assert named in message


def test_a_run_with_explained_settings_is_the_same_run(tmp_path, monkeypatch):
    loaded = load_config("zoo5/cnn")
    (tmp_path / "zoo5").mkdir()
    (tmp_path / "zoo5/cnn.yaml").write_text(commented_yaml(loaded, SET_WHEN_LOADED))
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(tmp_path))
    assert load_config("zoo5/cnn") == loaded


def test_overrides_win_over_the_file_and_the_file_over_the_defaults(configs):
    (configs / "gz37" / "mine.yaml").write_text(TINY + "train: {epochs: 3, lr: 0.1}\n")
    plain = load_config("gz37/mine")
    assert (plain.train.epochs, plain.train.lr, plain.train.batch_size) == (3, 0.1, 64)
    changed = load_config(
        "gz37/mine", ["train.lr=1e-3", "head.output=plain", "tta.zooms=[1.0, 1.2]"]
    )
    assert (changed.train.epochs, changed.train.lr) == (3, 1e-3)
    assert changed.head.output == "plain"
    assert changed.tta.zooms == (1.0, 1.2)
    assert changed.digest() != plain.digest()


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("train.epohcs=4", "did you mean 'train.epochs' (passes over the training images; 0 ("),
        ("epochs=2", "configs/gz37/resnet18.yaml + epochs=2: unknown key 'epochs'"),
        ("train.epochs=true", "'train.epochs': Input should be a number (got True)"),
        ("train.batch_size=off", "'train.batch_size': Input should be a number (got False)"),
        ("train.epochs", "'train.epochs' is not a setting"),
        ("train.epochs=2024-13-45", "'train.epochs=2024-13-45'"),
        ("task.x=1", "'task' is a setting"),
    ],
)
def test_a_wrong_override_is_named(override, named):
    with pytest.raises(InputError) as caught:
        load_config("gz37/resnet18", [override])
    assert named in str(caught.value)


@pytest.mark.parametrize("run", ["gz37/resnet81", "gz37/resnet", "configs/gz37/resnt18.yaml"])
def test_a_run_that_does_not_exist_suggests_near_ones(run):
    with pytest.raises(InputError, match=f"'{run}'.*did you mean .*gz37/resnet18") as caught:
        config_path(run)
    assert len(str(caught.value).split("did you mean ")[1].split(", ")) == 3


@pytest.mark.parametrize(
    "spelling",
    ["gz37/resnet18", "configs/gz37/resnet18.yaml", str(configs_dir() / "gz37" / "resnet18.yaml")],
)
def test_a_run_may_be_named_by_its_path_from_anywhere(spelling, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_path(spelling) == CODE_ROOT / "configs" / "gz37" / "resnet18.yaml"
    assert load_config(spelling).run == "gz37/resnet18"


STAGES = "stages: [{name: small, predict: true}, {name: middle}, {name: large}]\n"


@pytest.mark.parametrize("spelling", ["gz37/net", "net.yaml"])
def test_a_recipe_and_its_predicting_stages_are_runs(configs, spelling, monkeypatch):
    monkeypatch.chdir(configs / "gz37")
    Path("net.yaml").write_text(TINY + STAGES)
    for run in (spelling, f"{spelling}@small"):
        assert find_recipe(run) == spelling
    assert find_recipe("gz37/net@middle", ["stages.middle.predict=true"]) == "gz37/net"


@pytest.mark.parametrize(
    ("run", "hint"),
    [
        ("gz37/plain@typo", "did you mean gz37/plain?"),
        ("gz37/plain@", "did you mean gz37/plain?"),
        ("gz37/net@smal", "did you mean gz37/net or gz37/net@small?"),
        ("gz37/net@", "did you mean gz37/net or gz37/net@small?"),
        ("gz37/net@small@small", "did you mean gz37/net or gz37/net@small?"),
        ("gz37/net@middle", "did you mean gz37/net or gz37/net@small?"),  # predicts nothing
        ("gz37/nett@small", "did you mean gz37/net"),
    ],
)
def test_a_variant_that_no_recipe_has_is_no_run(configs, run, hint):
    (configs / "gz37" / "net.yaml").write_text(TINY + STAGES)
    (configs / "gz37" / "plain.yaml").write_text(TINY)
    message = one_line_refusal(find_recipe, run)
    assert message.startswith("no run 'gz37/")
    assert hint in message


@pytest.mark.parametrize("end", ["_refit", "_holdout"])
def test_no_config_takes_the_name_of_anothers_refits_or_hold_out(configs, end):
    other = RunFolder("kaggle-mini", "gz37/mine")
    taken = {path.stem for path in (other.refit_csv, other.holdout_card)}
    assert f"mine{end}" in taken  # the names that must stay free
    (configs / "gz37" / f"mine{end}.yaml").write_text(TINY)
    message = one_line_refusal(load_config, f"gz37/mine{end}")
    assert f"gz37/mine{end} would share files with gz37/mine: choose a name" in message
    stages = TINY + STAGES.replace("small", f"small{end}")  # its predictions are a run
    (configs / "gz37" / "net.yaml").write_text(stages)
    message = one_line_refusal(load_config, "gz37/net")
    assert f"gz37/net@small{end} would share files with gz37/net@small" in message
    for name in (f"mine{end}s", end.strip("_"), f"{end[1:]}_mine"):
        (configs / "gz37" / f"{name}.yaml").write_text(TINY)
        assert load_config(f"gz37/{name}").run == f"gz37/{name}"


def test_texts_for_people_do_not_change_the_digest():
    loaded = load_config("gz37/resnet18")
    assert (
        loaded.digest()
        == load_config("gz37/resnet18", ["about=other", "reference=0.1 RMSE"]).digest()
    )
    settings = ("train.seed=1", "image.size_px=64", "tta.dihedral=false", "augment.zoom=1")
    more = ("train.accumulation=2", "train.freeze=backbone")
    same = ("loss=kl", "augment.zoom=1.3", "train.on_out_of_memory=accumulate", "on_bad_image=drop")
    for change in (*settings, *more, *same):
        digest = load_config("gz37/resnet18", [change]).digest()
        assert (digest == loaded.digest()) == (change in same)


@pytest.mark.parametrize(
    "text",
    [
        "runs: gz37/cnn\n",
        "run: [gz37/cnn]\n",
        "runs: [1]\n",
        "runs: [gz37/a]\nx: 1\n",
        "runs: []\n",
    ],
)
def test_an_ensemble_holds_nothing_but_runs(configs, text):
    (configs / "ensembles").mkdir()
    (configs / "ensembles" / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml: (.*'runs|unknown key 'x')"):
        load_ensemble_settings("mine")
    with pytest.raises(InputError, match="no ensemble 'yours'"):
        load_ensemble_settings("yours")


def test_a_word_means_a_task_an_ensemble_or_a_run():
    assert runs_of("zoo5") == own_runs("zoo5")
    assert runs_of("default-long") == load_ensemble_settings("default-long").runs != []
    assert runs_of("gz37/resnet50") == ["gz37/resnet50"]
    assert not set(all_ensembles()) & (set(TASKS) | set(all_runs()))
    with pytest.raises(InputError, match=r"no run 'defualt-long'.*default-long"):
        config_path("defualt-long")


def test_runs_for_a_gpu_are_not_trained_with_their_task(configs):
    (configs / "gz37" / "large.yaml").write_text(TINY + "needs_gpu: true\n")
    (configs / "gz37" / "small.yaml").write_text(TINY)
    assert own_runs("gz37") == ["gz37/small"]
    assert all_runs() == ["gz37/large", "gz37/small"]
    unasked = load_config("gz37/large", ["needs_gpu=false"])
    assert load_config("gz37/large").digest() == unasked.digest()


def test_runs_after_another_dataset_are_not_trained_with_their_task(configs):
    stages = "stages: [{name: a, task: zoo5, dataset: zoo5}, {name: b}]"
    (configs / "gz37" / "first.yaml").write_text(TINY + stages)
    stages = "stages: [{name: a, recipe: gz37/first}, {name: b}]"
    (configs / "gz37" / "second.yaml").write_text(TINY + stages)
    (configs / "gz37" / "small.yaml").write_text(TINY)
    stages = "stages: [{name: a, task: mine, dataset: mine, predict: true}, {name: b}]"
    (configs / "gz37" / "third.yaml").write_text(TINY + stages)

    def find(name: str) -> Task | None:  # finds own labels, as the command does
        return TASKS.get(name) or replace(TASKS["zoo5"], name=name)

    assert own_runs("gz37", find) == runs_of("gz37", None, find) == ["gz37/small"]
    assert find_recipe("gz37/third@a", find_task=find) == "gz37/third"


def test_an_exported_config_holds_no_path_of_weights(configs):
    weights = "model: {name: cnn, weights_file: /home/me/secret.safetensors}"
    stages = f"stages: [{{name: a, {weights}}}, {{name: b}}, {{name: c, {weights}}}]"
    (configs / "gz37" / "net.yaml").write_text(TINY + stages)
    config = load_config("gz37/net")
    (configs / CONFIG).write_text(portable_config(config, "0123"))
    assert "secret" not in (configs / CONFIG).read_text()
    exported = load_run_config(configs).config
    assert [stage.stage for stage in exported.stages] == ["a", "b", "c"]
    assert exported.train == config.train


def test_a_saved_digest_that_resembles_a_number_is_read_as_it_was_saved(tmp_path):
    config = load_config("gz37/cnn")
    digest = "12345678e1234567"
    (tmp_path / CONFIG).write_text(portable_config(config, digest))
    assert load_run_config(tmp_path).fingerprint == digest
