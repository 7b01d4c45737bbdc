"""A pretraining from files to weights: replayed after a kill, blind to labels."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from galaxyzoo.config.schema import ModelConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.training import pretraining
from galaxyzoo.training.pseudo_labels import find_unlabelled_images
from galaxyzoo.training.self_supervision import Pair, Pretrainer
from support.class_fixtures import write_labelled
from support.leak_fixtures import clear_competition
from support.pretraining_fixtures import folder, pretrain, pretrain_config, written
from support.training_fixtures import Killed


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    original = Pretrainer.step

    def killed(self: Pretrainer, number: int, views: Pair) -> tuple[float, float]:
        if number == step:
            raise Killed
        return original(self, number, views)

    monkeypatch.setattr(Pretrainer, "step", killed)


def test_a_killed_pretraining_ends_with_the_same_bytes(data: Dataset) -> None:
    """Five steps an epoch: killed in the first, between the first and the second, in the third."""
    whole = pretrain(data)
    assert set(whole) == {
        *("config.yaml", "history.csv", "pretraining.json", "weights.safetensors"),
    }
    for step in (2, 5, 12):
        shutil.rmtree(folder(data))
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            with pytest.raises(Killed):
                pretrain(data)
        assert "weights.safetensors" not in written(pretrain_config(), data)
        assert pretrain(data) == whole


def test_a_finished_one_is_not_done_again(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pretrain(data)
    monkeypatch.setattr(
        pretraining, "find_unlabelled_images", lambda *_: pytest.fail("images are opened")
    )
    assert pretrain(data) == first


def test_no_label_is_learned(data: Dataset) -> None:
    """Other labels for all galaxies, and another split: not a byte differs."""
    first = pretrain(data)
    train, labels = data.catalog.train.copy(), data.catalog.label_columns
    train[labels] = train[labels].to_numpy()[::-1]
    train["fold"] = (train["fold"] + 1) % 3
    other = replace(data.catalog, dataset="other", train=train)
    assert not np.array_equal(other.targets("gz37"), data.catalog.targets("gz37"))
    again = pretrain(replace(data, catalog=other))
    assert {name: again[name] == first[name] for name in first} == dict.fromkeys(first, True)


def test_images_that_the_config_names_are_learned(data: Dataset, root: Path) -> None:
    write_labelled(root / "input" / "labels")  # galaxies 1 to 40, and 41 to 44 without labels
    alone = pretrain(data, images=["test"])
    assert b'"images": 4' in alone["pretraining.json"]
    both = pretrain(data, run="pretrain/both", images=["test", "labels"])
    assert b'"images": 48' in both["pretraining.json"]
    assert both["weights.safetensors"] != alone["weights.safetensors"]


def test_two_different_views_of_every_image_are_drawn(data: Dataset) -> None:
    images = [np.full((count, 32, 32, 3), 10 * count, np.uint8) for count in (12, 9)]
    images[0][:] += np.arange(12, dtype=np.uint8)[:, None, None, None]
    images[1][:] += np.arange(9, dtype=np.uint8)[:, None, None, None]
    made = Pretrainer(pretrain_config(), images)
    seen = []
    for rows, (first, second) in made.batches():
        seen += rows.tolist()
        for view in (first, second):  # the image that stands at the row, in both
            shown = np.concatenate(images)[rows, 0, 0, 0]
            np.testing.assert_array_equal(view[:, 0, 16, 16].numpy(), shown)
    assert sorted(seen) == list(range(21))
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)]
    ((_, (first, second)),) = Pretrainer(pretrain_config(), noise).batches()
    assert all((one != other).any() for one, other in zip(first, second, strict=True))


def test_images_that_cannot_be_read_are_left_out(root: Path) -> None:
    competition = clear_competition()
    competition.images[int(competition.test_ids[1])] = b"no image"
    competition.write_zips(root / "input" / "votes")
    left = pretrain(prepare("votes", n_folds=3))
    assert b'"images": 39' in left["pretraining.json"]


def test_other_settings_are_refused(data: Dataset) -> None:
    pretrain(data)
    with pytest.raises(InputError, match=r"with other settings \(train.lr 0.003 → 0.5\): delete"):
        pretrain(data, train={"lr": 0.5})
    pretrain(data, about="other words")
    fewer = replace(data.catalog, test_ids=data.catalog.test_ids[1:])
    with pytest.raises(InputError, match=r"on other galaxies than 'kaggle-[0-9a-f]+' has now"):
        pretrain(replace(data, catalog=fewer))


def test_other_images_do_not_go_on(data: Dataset, root: Path) -> None:
    write_labelled(root / "input" / "labels")
    names = ["train", "labels"]
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 12)
        with pytest.raises(Killed):
            pretrain(data, images=names)
    find = find_unlabelled_images
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "find_unlabelled_images", lambda *some: list(find(*some))[:1])
        with pytest.raises(InputError, match="begun on other images: bring them back"):
            pretrain(data, images=names)
    assert b'"epochs": 3' in pretrain(data, images=names)["pretraining.json"]


def test_a_collapsed_network_is_an_error(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without variety in the images all projections are the same from the start."""
    images = [np.full((16, 32, 32, 3), 90, np.uint8)]
    made = Pretrainer(pretrain_config(), images)
    with pytest.raises(InputError, match=r"pretrain/small, epoch 1: the network has collapsed"):
        made.run_epoch(Bar())
    assert made.history == []
    monkeypatch.setattr(Pretrainer, "step", lambda *_: (float("nan"), 0.017))  # 5 % are 0.0177
    with pytest.raises(InputError, match=r"deviation 0\.017, about 0\.35 is healthy"):
        pretrain(data)
    assert "weights.safetensors" not in written(pretrain_config(), data)
    monkeypatch.setattr(Pretrainer, "step", lambda *_: (1.0, 0.018))
    assert b"0.018" in pretrain(data)["history.csv"]


class Bar:
    def update(self) -> None:
        pass


def test_a_loss_that_is_no_number_is_an_error(data: Dataset) -> None:
    with pytest.raises(InputError, match=r"pretrain/small, epoch 1: the loss is nan|not finite"):
        pretrain(data, train={"lr": 1e30})


def test_too_little_memory_is_an_error(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Pretrainer, "step", refused)
    with pytest.raises(InputError, match=r"out of memory on batches of 8 .* smaller train.batch"):
        pretrain(data)


def test_the_saved_config_says_what_was_done(data: Dataset) -> None:
    saved = yaml.safe_load(pretrain(data)["config.yaml"])
    assert saved["dataset_ids"] == data.catalog.ids_fingerprint
    assert saved["model"] == ModelConfig.model_validate(saved["model"]).model_dump(mode="json")
    path = folder(data) / "config.yaml"
    path.write_text("- no config\n")
    with pytest.raises(InputError, match=r"config\.yaml is damaged: delete"):
        pretrain(data)
