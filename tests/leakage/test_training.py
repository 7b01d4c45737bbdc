"""What a fold's training knows of the galaxies that it is scored on: nothing, or it is said."""

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from galaxyzoo.commands import ensemble, train
from galaxyzoo.config.schema import Config, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.folds import make_folds, near_duplicates
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.extras.reports import command as evaluate
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.console import print_holdout_table
from galaxyzoo.results.fold_files import fold_name
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training import holdout
from galaxyzoo.training.feature_head import fit_head
from galaxyzoo.training.parts import split_holdout
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.commands import TINY
from support.datasets import clear_competition
from support.pictures import draw_image
from support.small_models import CLASSES, tiny_config
from support.thoroughness import is_long, thorough

WEIGHTS = "weights.safetensors"

WEIGHED = {"train": {"class_balance": "weights"}}
SAMPLED = {"train": {"class_balance": "sampling"}}
STAGES: list[dict[str, Any]] = [
    {"name": "votes"},
    {"name": "classes", "task": "elliptical_spiral", **WEIGHED},
    {"name": "again", "image": {"size_px": 24}},
]
HEAD = {"name": "head", "train": {"freeze": "backbone"}}

# What a stage knows the last one shows. With --long also each alone, which says where it was.
KINDS: dict[str, dict[str, Any]] = {
    "three stages of two tasks": {"stages": STAGES},
    "the head, then all with classes drawn equally often": {
        **CLASSES,
        "stages": [HEAD, {"name": "rest", **SAMPLED}],
    },
}
ALONE: dict[str, dict[str, Any]] = {
    "the 37 votes": {},
    "classes": CLASSES,
    "weights per class in the loss": CLASSES | WEIGHED,
    "classes drawn equally often": CLASSES | SAMPLED,
}
if is_long():
    KINDS |= ALONE


@dataclass(frozen=True)
class Project(Dataset):
    """A prepared dataset, with its decoded images."""

    images: ImageCache = field(kw_only=True)

    def train_images(self, config: ImageConfig) -> ImageCache:
        return self.images

    def other_labels(self, fold: int) -> "Project":
        """The same split, the labels of half of one fold's galaxies given to all of them."""
        rows = np.flatnonzero(self.folds == fold)
        train = self.train.copy()
        labels = self.label_columns
        half = (np.arange(len(rows)) + 1) // 2
        train.iloc[rows, train.columns.get_indexer(labels)] = train.iloc[rows[half]][labels]
        return self.changed(f"labels {fold}", train, self.images.images)

    def other_images(self, fold: int) -> "Project":
        """The same, the images of one fold's galaxies in negative."""
        images = self.images.images.copy()
        images[self.folds == fold] ^= 255
        return self.changed(f"images {fold}", self.train, images)

    def changed(self, name: str, train: pd.DataFrame, images: np.ndarray) -> "Project":
        cache = replace(self.images, images=images)
        return replace(self, dataset=name, train=train, images=cache)

    def train_folds(self, config: Config, folds: list[int]) -> RunCard:
        """Train folds of a run, stage by stage; returns the card."""
        for stage in config.stages:
            card = Run(stage, self).train([fold_name(fold) for fold in folds])
        assert card is not None
        return card

    def written(self, config: Config, fold: int) -> dict[str, bytes]:
        """What a fold's training left."""
        folder = RunFolder(self.dataset, config.run).training(fold_name(fold))
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def project(root: Path) -> Project:
    clear_competition().write_zips(root / "input")
    data = prepare(n_folds=3)
    assert len(data.for_task(get_task("elliptical_spiral")).ids) == 36
    images = data.train_images(tiny_config().image)
    return Project(data.dataset, data.train, data.test_ids, data.about, raw=data.raw, images=images)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_folds_galaxies_reaches_its_training(project, kind):
    config = tiny_config(**KINDS[kind], tta={"dihedral": False})
    project.train_folds(config, list(range(thorough(2, 3))))
    for fold in range(thorough(1, 3)):
        clean = project.written(config, fold)
        other = (fold + 1) % 3
        for changed, same in (
            (project.other_labels(fold), {WEIGHTS, "val.csv", "test.csv"}),
            (project.other_images(fold), {WEIGHTS, "test.csv"}),
        ):
            changed.train_folds(config, [fold, other])
            after = changed.written(config, fold)
            for name in same:
                assert after[name] == clean[name], name
            assert after["history.csv"] != clean["history.csv"]  # it holds validation scores
            # The change is a strong one: a fold that may see it does.
            seen = changed.written(config, other)[WEIGHTS]
            assert seen != project.written(config, other)[WEIGHTS]


def run_here(monkeypatch: pytest.MonkeyPatch, script: ModuleType, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *words])
    script.main()


def test_the_best_epoch_knows_its_fold_and_so_does_a_run_that_starts_from_it(project, monkeypatch):
    best = tiny_config(train={"checkpoint": "best", "ema_decay": 0})
    changed = project.other_images(0)

    def validate(self: Trainer) -> tuple[float, dict[str, float]]:
        """To one of the two the first epoch is the best, to the other the last."""
        score = float(self.epoch if self.data.cache is project.images else -self.epoch)
        return score, {"val_score": score}

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "validate", validate)
        cards = [some.train_folds(best, [0]) for some in (project, changed)]
    weights = [some.written(best, 0)[WEIGHTS] for some in (project, changed)]
    assert weights[0] != weights[1]  # this is why it has to be said
    assert [card.selected_on_validation for card in cards] == [True, True]
    assert cards[0].checkpoint == "best"
    first = {"name": "votes", "task": "gz37", "train": {"checkpoint": "best", "ema_decay": 0}}
    card = project.train_folds(tiny_config(**CLASSES, stages=[first, {"name": "classes"}]), [0])
    assert card.checkpoint == "last"
    assert card.selected_on_validation  # the weights that it starts from were chosen on the fold
    fair = tiny_config(**{**CLASSES, "run": "elliptical_spiral/fair"})
    assert not project.train_folds(fair, [0]).selected_on_validation


def test_a_chosen_epoch_is_said_beside_every_score(root, monkeypatch, capsys):
    clear_competition().write_zips(root / "input")
    said = "* optimistic: an epoch of this run"

    def shown(script: ModuleType, *words: str) -> str:
        run_here(monkeypatch, script, *words)
        return capsys.readouterr().out

    best = ["train.checkpoint=best", "--folds", "3", "--ensemble"]
    printed = shown(train, "gz37/cnn", *TINY, *best)
    assert all(text in printed for text in ("gz37/cnn * ", said, "No ensemble yet: it needs"))
    assert not (root / "submissions" / "predictions.csv").exists()
    with pytest.raises(InputError, match=r"gz37/cnn is skipped: its epochs were selected"):
        run_here(monkeypatch, ensemble)
    printed = shown(train, "gz37/resnet18", "model.name=cnn", "model.pretrained=false", *TINY)
    assert "*" not in printed
    assert "No early stopping" in printed
    printed = shown(ensemble)
    assert "gz37/cnn is skipped" in printed
    assert "No early stopping" in printed
    folder = next((root / "submissions").glob("*/gz37"))
    card = json.loads((folder / "all/predictions.json").read_text())
    assert (card["selected_on_validation"], list(card["runs"])) == (False, ["gz37/resnet18"])

    printed = shown(ensemble, "gz37/cnn", "gz37/resnet18")
    optimistic = "All scores of this ensemble are optimistic"
    assert all(text in printed for text in ("gz37/cnn * ", said, optimistic))
    card = json.loads((folder / "cnn+resnet18/predictions.json").read_text())
    assert card["selected_on_validation"]
    assert card["runs_selected_on_validation"] == ["gz37/cnn"]

    assert said in shown(evaluate, "gz37")
    page = next((root / "reports").glob("*/gz37/index.html")).read_text()
    assert all(text in page for text in (said, "gz37/cnn *", "ensemble:cnn+resnet18 *"))
    assert "gz37/resnet18 *" not in page


def test_a_hold_outs_epoch_may_be_chosen_but_not_on_what_is_scored(project, capsys):
    lively = {"checkpoint": "best", "epochs": 6, "lr": 0.05, "ema_decay": 0}
    config = tiny_config(**CLASSES, train=lively)
    run = Run(config, project)
    card = holdout.train_holdout(run)
    assert (card.checkpoint, card.selected_on_validation) == ("best", False)
    weights = (run.folder.path / "holdout" / WEIGHTS).read_bytes()
    split = split_holdout(project, config)
    held_out = (split == "test").to_numpy()
    images = project.images.images.copy()
    images[held_out] ^= 255
    targets = project.train.copy()
    rows = np.flatnonzero(held_out)
    labels = targets.columns.get_indexer(project.label_columns)
    targets.iloc[rows, labels] = targets.iloc[np.roll(rows, 1), labels]
    changed = project.changed("other test part", targets, images)
    again = Run(config, changed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holdout, "split_holdout", lambda *_: split)
        again_card = holdout.train_holdout(again)
    assert (again.folder.path / "holdout" / WEIGHTS).read_bytes() == weights
    assert again_card.score != card.score
    print_holdout_table([card])
    said = "elliptical_spiral/small: best validation epoch, scored on the test part"
    assert said in capsys.readouterr().out


def test_heads_learn_no_random_label_by_turned_copies():
    """Features that turns and mirrors leave alone, as those of an equivariant network."""
    rng = np.random.default_rng(0)
    accuracies = []
    copies = []
    for _ in range(40):
        picture = draw_image(rng, 106)
        mirrored = picture[:, ::-1]
        copies += [picture, np.rot90(picture), np.rot90(mirrored, 2), np.rot90(mirrored, 3)]
    groups = near_duplicates(copies)
    for draw in range(3):
        rng = np.random.default_rng(draw)
        labels = np.repeat(rng.permutation(40) % 2, 4)
        features = np.repeat(rng.normal(size=(40, 300)), 4, axis=0).astype(np.float32)
        folds = make_folds(np.eye(2)[labels], groups, 5, draw)
        answers = np.empty(len(labels), int)
        for fold in range(5):
            rows = folds == fold
            head = fit_head(features[~rows], np.eye(2)[labels[~rows]])
            answers[rows] = head.predict_proba(features[rows]).argmax(axis=1)
        accuracies.append(balanced_accuracy_score(labels, answers))
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.1)
