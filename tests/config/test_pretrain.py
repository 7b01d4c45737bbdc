"""Configs of pretrainings: every one builds, a mistake is one line, none is taken for a run."""

from pathlib import Path

import pytest
import torch

import pretrain
import train
from galaxyzoo.config.loading import all_runs, load_config
from galaxyzoo.config.pretrain import all_pretrainings, load_pretrain_config, parse_pretrain_config
from galaxyzoo.core.errors import InputError
from galaxyzoo.models.build import start_backbone
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.training.self_supervision import SimSiam

TINY = "method: simsiam\nmodel: {name: cnn}\n"

MISTAKES = {
    "unknown key": ("metod: simsiam\n", "unknown key 'metod' (did you mean 'method'?)"),
    "unknown key in a section": (
        "train: {epohcs: 3}\n",
        "'train.epohcs' (did you mean 'train.epochs'?)",
    ),
    "a key that only runs have": ("train: {label_smoothing: 0.1}\n", "'train.label_smoothing'"),
    "a section that only runs have": ("head: {hidden: 8}\n", "unknown key 'head'"),
    "a task": ("task: gz37\n", "is a task's run"),
    "no such method": ("method: byol\n", "'method'"),
    "no images": ("images: []\n", "'images'"),
    "below the range": ("train: {batch_size: 2}\n", "'train.batch_size'"),
    "a start that has learned labels": (
        "model: {name: cnn, start_run: gz37/cnn}\n",
        "model.start_run is not for pretraining",
    ),
    "a head to take over": (
        "model: {name: cnn, start_head: true}\n",
        "model.start_head is not for pretraining",
    ),
    "a part of no image": ("shown_px: {zoo5: 288}\n", "shown_px: 'zoo5' is not among the images"),
    "cache larger than the crop": ("image: {crop_px: 64, cache_px: 128}\n", "image.cache_px"),
    "no YAML": ("train: [\n", "is not YAML"),
}


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configs folder in place of the real one."""
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(tmp_path))
    (tmp_path / "pretrain").mkdir()
    return tmp_path


@pytest.mark.parametrize("run", all_pretrainings())
def test_every_config_builds_and_a_typo_in_it_fails(run: str) -> None:
    loaded = load_pretrain_config(run)
    assert loaded.run == run
    check_transforms(loaded.augment.transforms)
    side = loaded.image.size_px
    model = SimSiam(loaded, *start_backbone(loaded.model, side, run, False))
    images = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    assert model.encoder(images).shape == (2, loaded.projection.size)
    values = loaded.model_dump()
    assert parse_pretrain_config(values, run) == loaded
    values["train"]["epohcs"] = 1
    with pytest.raises(InputError, match=r"train\.epohcs"):
        parse_pretrain_config(values, run)


@pytest.mark.parametrize(("text", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_key(
    configs: Path, text: str, named: str
) -> None:
    kept = [line for line in TINY.splitlines() if line.split(":")[0] != text.split(":")[0]]
    (configs / "pretrain" / "mine.yaml").write_text("\n".join([*kept, text]))
    with pytest.raises(InputError) as caught:
        load_pretrain_config("pretrain/mine")
    assert "mine.yaml" in str(caught.value)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overrides_win_and_texts_do_not_change_the_digest(configs: Path) -> None:
    (configs / "pretrain" / "mine.yaml").write_text(TINY + "train: {epochs: 3}\n")
    plain = load_pretrain_config("pretrain/mine")
    assert (plain.run, plain.train.epochs, plain.images) == ("pretrain/mine", 3, ("train", "test"))
    changed = load_pretrain_config("pretrain/mine", ["train.lr=1e-4", "images=[test]"])
    assert (changed.train.epochs, changed.train.lr, changed.images) == (3, 1e-4, ("test",))
    for word in ("train.seed=1", "projection.size=64", "about=x"):
        same = load_pretrain_config("pretrain/mine", [word]).digest() == plain.digest()
        assert same == (word == "about=x")


def test_none_is_taken_for_a_run_of_a_task() -> None:
    found = all_pretrainings()
    assert "pretrain/simsiam_mobilenetv2" in found
    assert not set(found) & set(all_runs())
    with pytest.raises(InputError, match=r"type the same with src/pretrain\.py"):
        load_config("pretrain/simsiam_mobilenetv2")
    with pytest.raises(InputError, match=r"'pretrain/simsia'.*did you mean pretrain/simsiam"):
        load_pretrain_config("pretrain/simsia")
    with pytest.raises(InputError, match=r"cnn\.yaml is a task's run: python3 src/train\.py"):
        load_pretrain_config("gz37/cnn")


def test_training_does_not_take_it_for_a_run_to_train_first() -> None:
    (only,) = train.with_start_runs([load_config("gz37/cnn", ["model.start_run=pretrain/x"])])
    assert only.run == "gz37/cnn"
    assert only.required_runs("kaggle") == []
    assert only.model.starts_without_labels
    assert not load_config("zoo5/cnn_votes").model.starts_without_labels


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    for words, named in (
        (["pretrain/nothing"], "pretrain/simsiam_mobilenetv2"),
        (["pretrain/simsiam_mobilenetv2", "train.epoch=3"], "epochs"),
        (["pretrain/simsiam_mobilenetv2", "--task", "gz38"], "gz38"),
        (["pretrain/simsiam_mobilenetv2", "--data", "nowhere"], "nowhere"),
    ):
        monkeypatch.setattr("sys.argv", ["pretrain.py", *words])
        with pytest.raises(InputError, match=named):
            pretrain.main()
    assert not list((root / "folds").iterdir())
