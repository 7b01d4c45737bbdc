"""A student learns from networks that saw no label of its fold, and from new images alone."""

import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import AugmentConfig, Config, ImageConfig, TTAConfig
from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import iterate_views
from galaxyzoo.data.image_cache import ImageCache, open_cache
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.data.stores.opening import open_images
from galaxyzoo.inference.network import predict, predict_each
from galaxyzoo.models.build import load_network
from galaxyzoo.models.heads import TreeOutput
from galaxyzoo.models.losses import tree_divergence
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.fold_files import WEIGHTS
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training import teacher
from galaxyzoo.training.augmentation import augment_batch
from galaxyzoo.training.device_augmentation import put_on_device
from galaxyzoo.training.holdout import check_holdout
from galaxyzoo.training.loader import BatchLoader
from galaxyzoo.training.run import Run
from support.datasets import draw_votes
from support.pictures import draw_image, encode, write_zip
from support.small_models import SIZES, small_config

TEACHER = "gz37/teacher"
EXTRA = "extra.zip"


def teacher_config(**changes: Any) -> Config:
    train = {"epochs": 1, "batch_size": 8, "lr": 1e-2}
    return small_config(run=TEACHER, image=SIZES, train=train, loss="kl", **changes)


def student_config(name: str = "gz37/student", **teaching: Any) -> Config:
    values = {"run": TEACHER, "weight": 0.75, **teaching}
    return small_config(run=name, image=SIZES, teacher=values, train={"epochs": 1})


@pytest.fixture(scope="module")
def taught_project(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with thirty galaxies in three folds, on which a teacher is trained."""
    folder = tmp_path_factory.mktemp("taught")
    shutil.copytree(prepared_project, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(folder))
        Run(teacher_config(), prepare(n_folds=3)).train()
    return folder


@pytest.fixture
def taught(taught_project: Path, root: Path) -> Dataset:
    """A copy of it for one test, to change."""
    shutil.copytree(taught_project, root, dirs_exist_ok=True)
    return prepare(n_folds=3)


def read_pictures(data: Dataset) -> dict[int, np.ndarray]:
    """RGB pictures of the training and test galaxies, by id."""
    pictures = {}
    for images in (data.raw.train_images, data.raw.test_images):
        for galaxy_id in images.ids:
            picture = cv2.imdecode(np.frombuffer(images.read(galaxy_id), np.uint8), 1)
            assert picture is not None
            pictures[int(galaxy_id)] = np.ascontiguousarray(picture[..., ::-1])
    return pictures


def write_extra(pictures: Mapping[str, np.ndarray]) -> None:
    members = {f"{name}.png": encode(image, end=".png") for name, image in pictures.items()}
    write_zip(paths.root() / EXTRA, members)


def decode_extra(config: Config) -> ImageCache:
    images = open_images(paths.root() / EXTRA)
    return open_cache(images, images.ids, config.image)


def new_pictures(count: int) -> dict[str, np.ndarray]:
    return {f"new{i}": draw_image(np.random.default_rng(900 + i)) for i in range(count)}


def network_predictions(data: Dataset, fold: int, rows: np.ndarray) -> np.ndarray:
    """What the teacher's network of a fold predicts of training galaxies, one call for it alone."""
    config = teacher_config()
    model = load_network(config, Run(config, data).files(f"fold_{fold}").folder / WEIGHTS)
    return predict(model, data.train_images(config.image), rows, config)


@pytest.mark.parametrize("fold", range(3))
def test_a_fold_learns_from_the_network_that_left_it_out(taught, fold):
    labels = taught.targets(get_task("gz37"))
    learned = Run(student_config(), taught).load_data(f"fold_{fold}")
    rows = learned.train_rows
    assert rows.tolist() == np.flatnonzero(taught.folds != fold).tolist()
    expected = 0.25 * labels[rows] + 0.75 * network_predictions(taught, fold, rows)
    np.testing.assert_allclose(learned.targets[rows], expected, atol=1e-6)
    held_out = learned.val_rows
    assert (learned.targets[held_out] == labels[held_out]).all()  # it is validated on votes alone


def test_a_refit_learns_of_a_galaxy_what_the_network_that_left_it_out_predicts(taught):
    write_extra(new_pictures(3))
    learned = Run(student_config(weight=1.0, images=EXTRA), taught).load_data("refit_0")
    for fold in range(3):
        rows = np.flatnonzero(taught.folds == fold)
        expected = network_predictions(taught, fold, rows)
        np.testing.assert_allclose(learned.targets[rows], expected, atol=1e-6)


def test_images_without_labels_have_the_predictions_alone(taught):
    """They are those of all networks in a refit, of one in a fold."""
    write_extra(new_pictures(3))
    config = teacher_config()
    cache = decode_extra(config)
    by_fold = []
    for fold in range(3):
        model = load_network(config, Run(config, taught).files(f"fold_{fold}").folder / WEIGHTS)
        by_fold.append(predict(model, cache, np.arange(3), config))
    run = Run(student_config(images=EXTRA), taught)
    np.testing.assert_allclose(run.load_data("fold_1").targets[30:], by_fold[1], atol=1e-6)
    mean = np.mean(by_fold, axis=0)
    np.testing.assert_allclose(run.load_data("refit_0").targets[30:], mean, atol=1e-6)


def test_copies_of_training_and_test_galaxies_and_damaged_images_are_not_learned(taught):
    own = read_pictures(taught)
    train, test = taught.ids[0], taught.test_ids[0]
    write_extra(
        {
            "turned": np.rot90(own[train]),
            "new": draw_image(np.random.default_rng(901)),
            "mirrored": own[test][:, ::-1],
        }
    )
    with zipfile.ZipFile(paths.root() / EXTRA, "a") as archive:
        archive.writestr("broken.jpg", b"\xff\xd8\xff broken")
    learned = Run(student_config(images=EXTRA), taught).load_data("fold_0")
    names = learned.ids[learned.train_rows[learned.train_rows >= 30]]
    assert names.tolist() == ["new.png"]


@pytest.mark.parametrize("side_px", [212.0, 600.0])
def test_copies_are_found_in_images_that_show_less_or_more_of_the_sky(taught, side_px):
    own = read_pictures(taught)
    galaxy = own[taught.test_ids[1]]  # 106 px, which stand for 424
    keep = round(106 * side_px / 424)
    if keep < 106:
        start = (106 - keep) // 2
        galaxy = galaxy[start : start + keep, start : start + keep]
    else:
        edge = (keep - 106) // 2
        galaxy = cv2.copyMakeBorder(galaxy, edge, edge, edge, edge, cv2.BORDER_REFLECT)
    write_extra({"copy": galaxy, **new_pictures(1)})
    config = student_config(images=EXTRA, side_px=side_px)
    config = config.model_copy(update={"image": ImageConfig(**{**SIZES, "cache_px": 106})})
    learned = Run(config, taught).load_data("fold_0")
    assert learned.ids[learned.train_rows[-1]] == "new0.png"
    assert (learned.train_rows >= 30).sum() == 1


def test_images_that_show_less_of_the_sky_are_learned_at_the_same_scale(taught):
    """A galaxy whose center is cut out and enlarged looks as it did, but for its edge."""
    picture = cv2.resize(draw_image(np.random.default_rng(5)), (424, 424))
    picture = cv2.GaussianBlur(picture, (0, 0), 6)
    center = picture[106:318, 106:318]
    write_extra({"center": cv2.resize(center, (424, 424)), "whole": picture})
    plain = {"rotate_deg": 0.0, "flip": False, "zoom": 1.0, "shift_px": 0.0}
    seen = {}
    for name, side_px in (("center.png", 212.0), ("whole.png", 424.0)):
        config = student_config(f"gz37/student{side_px:.0f}", images=EXTRA, side_px=side_px)
        config = config.model_copy(update={"augment": AugmentConfig(**plain)})
        learned = Run(config, taught).load_data("fold_0")
        row = np.flatnonzero(learned.ids == name)
        rng = np.random.default_rng(0)
        images = learned.read(row)
        (seen[name],) = augment_batch(
            images, config.image, config.augment, rng, learned.scales_of(row)
        )
    middle = slice(10, 22)  # of 32 px
    difference = np.abs(seen["center.png"].astype(int) - seen["whole.png"])[middle, middle]
    assert difference.mean() < 2
    assert seen["whole.png"].std() > 10


def test_the_teacher_sees_images_at_the_scale_of_the_galaxies(taught, monkeypatch):
    """A galaxy's center alone, enlarged, looks to it as the whole galaxy does."""
    picture = cv2.resize(draw_image(np.random.default_rng(5)), (424, 424))
    center = cv2.GaussianBlur(picture, (0, 0), 6)[106:318, 106:318]
    whole = cv2.copyMakeBorder(center, 106, 106, 106, 106, cv2.BORDER_REFLECT_101)
    write_extra({"center": cv2.resize(center, (424, 424)), "whole": whole})
    views = []

    def looked_at(models: Any, images: Any, rows: Any, config: Config, tta: TTAConfig) -> Any:
        view = next(iterate_views(images[rows], config.image, tta, torch.device("cpu")))
        views.append(view.numpy().astype(int))
        return predict_each(models, images, rows, config, tta)

    monkeypatch.setattr(teacher, "predict_each", looked_at)
    for side_px in (212.0, 424.0):
        config = student_config(f"gz37/student{side_px:.0f}", images=EXTRA, side_px=side_px)
        Run(config, taught).load_data("fold_0")
    _, enlarged, _, original = views  # of the galaxies with labels before
    assert np.abs(enlarged[0] - original[1]).mean() < 2
    assert np.abs(original[0] - original[1]).mean() > 4


def test_an_epoch_has_every_galaxy_and_image_once_with_its_own_target(taught):
    write_extra(new_pictures(5))
    config = student_config(images=EXTRA)
    learned = Run(config, taught).load_data("fold_0")
    loader = BatchLoader(config, learned, torch.device("cpu"), None)
    rows = []
    for batch in loader.epoch(0):
        rows += batch.rows.tolist()
        np.testing.assert_allclose(batch.targets, learned.targets[batch.rows], atol=1e-6)
    assert sorted(rows) == learned.train_rows.tolist()
    assert len(learned.train_rows) == 20 + 5
    mixed = np.array([0, 29, 30, 34])
    own = taught.train_images(config.image).images
    unlabeled = decode_extra(config).images
    expected = [own[0], own[29], unlabeled[0], unlabeled[4]]
    assert (learned.read(mixed) == np.stack(expected)).all()
    on_device = put_on_device(learned.images, torch.device("cpu"))
    assert on_device is not None
    assert (on_device[mixed].permute(0, 2, 3, 1).numpy() == np.stack(expected)).all()


def test_a_mean_of_targets_stands_for_both_losses():
    """The gradient of the loss on mixed targets is the weighted mean of those on each."""
    rng = np.random.default_rng(0)
    votes = torch.tensor(draw_votes(rng, np.arange(6)).to_numpy(), dtype=torch.float32)
    taught = torch.tensor(draw_votes(rng, np.arange(6)).to_numpy(), dtype=torch.float32)
    logits = torch.randn(6, 37, requires_grad=True)
    output = TreeOutput()

    def gradient(targets: torch.Tensor) -> torch.Tensor:
        loss = tree_divergence(output(logits), targets)
        return torch.autograd.grad(loss, logits)[0]

    expected = 0.25 * gradient(votes) + 0.75 * gradient(taught)
    torch.testing.assert_close(gradient(0.25 * votes + 0.75 * taught), expected)


def test_predictions_are_made_once_and_a_damaged_file_of_them_is_refused(taught, monkeypatch):
    write_extra(new_pictures(3))
    run = Run(student_config(images=EXTRA), taught)
    first = run.load_data("fold_0")
    calls = []

    def counted(*arguments: Any) -> np.ndarray:
        calls.append(len(arguments[2]))
        return predict_each(*arguments)

    monkeypatch.setattr(teacher, "predict_each", counted)
    again = run.load_data("fold_0")
    assert calls == []
    np.testing.assert_array_equal(again.targets, first.targets)
    kept = run.files("fold_0").folder / "teacher" / "unlabeled_0.npy"
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"unlabeled_0\.npy does not match"):
        run.load_data("fold_0")


def test_a_killed_prediction_goes_on(taught, monkeypatch):
    monkeypatch.setattr(teacher, "_CHUNK", 8)
    run = Run(student_config(), taught)
    whole = Run(student_config("gz37/whole"), taught).load_data("fold_0")
    calls = []

    def dies(*arguments: Any) -> np.ndarray:
        calls.append(len(arguments[2]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return predict_each(*arguments)

    monkeypatch.setattr(teacher, "predict_each", dies)
    with pytest.raises(KeyboardInterrupt):
        run.load_data("fold_0")
    resumed = run.load_data("fold_0")
    assert calls == [8, 8, 8, 4]
    np.testing.assert_array_equal(resumed.targets, whole.targets)


def test_a_student_is_trained_by_the_usual_way(taught):
    write_extra(new_pictures(3))
    run = Run(student_config(images=EXTRA), taught)
    card = run.train([*run.every_fold, "refit_0"])
    assert card is not None
    assert (card.folds, card.refits) == ([0, 1, 2], 1)
    assert not card.possible_leakage
    run.check()


def test_what_cannot_teach_is_refused_before_anything_starts(taught, root):
    def refusal(**teaching: Any) -> str:
        with pytest.raises(InputError) as raised:
            Run(student_config(**teaching), taught).check()
        return str(raised.value)

    assert refusal(run="gz37/none").startswith(
        "gz37/student learns from gz37/none, which is not trained on this split of "
    )
    assert "teacher.images: missing.zip is missing" in refusal(images="missing.zip")
    with pytest.raises(InputError, match=r"--holdout: gz37/student learns from gz37/teacher"):
        check_holdout(Run(student_config(), taught))
    own = read_pictures(taught)
    write_extra({"copy": own[taught.ids[0]]})
    with pytest.raises(InputError, match=r"extra\.zip shows no galaxies but those of"):
        Run(student_config(images=EXTRA), taught).load_data("fold_0")
    shutil.rmtree(Run(teacher_config(), taught).files("fold_1").folder)
    assert "gz37/teacher, which is not trained on this split of" in refusal()
    assert "train_folds.sh gz37/teacher" in refusal()


def test_a_stage_on_another_dataset_has_no_teacher(taught):
    """The teacher may know galaxies that the recipe's own dataset holds out."""
    config = student_config().model_copy(update={"own_dataset": "kaggle"})
    assert config.teacher is not None
    settings = config.teacher.model_copy(update={"run": "gz37/none"})
    with pytest.raises(InputError, match="cannot have a teacher: galaxies that kaggle holds out"):
        teacher.find_teacher(config, settings, taught)


def test_another_teacher_in_the_config_is_named(taught):
    Run(student_config(), taught).train(["fold_0"])
    with pytest.raises(InputError, match=r"teacher\.run gz37/teacher → bundled"):
        Run(student_config(run="bundled"), taught).check()


def test_a_student_is_not_gone_on_with_after_its_teacher_was_trained_anew(taught):
    run = Run(student_config(), taught)
    run.train(["fold_0"])
    shutil.rmtree(Run(teacher_config(), taught).folder.path)
    Run(student_config(), taught).collect()  # a finished fold needs no teacher
    other = small_config(run=TEACHER, image=SIZES, train={"epochs": 1, "batch_size": 15}, loss="kl")
    Run(other, taught).train()
    with pytest.raises(InputError, match=r"gz37/student learned from another gz37/teacher: delete"):
        Run(student_config(), taught).check()


def test_folds_do_not_learn_from_images_that_changed_between_them(taught):
    write_extra(new_pictures(3))
    config = student_config(images=EXTRA)
    Run(config, taught).train(["fold_0"])
    (paths.root() / EXTRA).rename(paths.root() / "kept.zip")
    Run(config, taught).collect()  # a finished fold needs no images
    write_extra(new_pictures(4))
    with pytest.raises(InputError, match=r"gz37/student learned from another extra\.zip: delete"):
        Run(config, taught).train(["fold_1"])


def test_copied_images_are_the_same(taught):
    """A folder's files with other times, as `cp -r` makes them."""
    folder = paths.root() / "extra"
    folder.mkdir()
    for name, picture in new_pictures(3).items():
        (folder / f"{name}.png").write_bytes(encode(picture, end=".png"))
    config = student_config(images="extra")
    first = Run(config, taught).load_data("fold_0")
    Run(config, taught).train(["fold_0"])
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    again = Run(config, taught)
    again.check()
    np.testing.assert_array_equal(again.load_data("fold_0").targets, first.targets)
    (folder / "new0.png").write_bytes(encode(new_pictures(4)["new3"], end=".png"))
    with pytest.raises(InputError, match="learned from another extra: delete"):
        Run(config, taught).check()


@pytest.mark.parametrize("mark", ["possible_leakage", "selected_on_validation"])
def test_a_student_of_a_teacher_that_saw_held_out_galaxies_is_marked_as_it_is(taught, mark):
    card = RunCard.of(taught.dataset, TEACHER)
    folder = RunFolder(taught.dataset, TEACHER)
    assert not Run(student_config(), taught).load_data("fold_0").possible_leakage
    card.model_copy(update={mark: True}).write(folder.card)
    assert Run(student_config(), taught).load_data("fold_0").possible_leakage


def test_a_teacher_that_was_trained_on_other_folds_is_told_by_the_mark(taught, monkeypatch):
    """The bundled networks, of five folds, teach ten: any of them may know a galaxy."""
    config = student_config(run="bundled")
    monkeypatch.setattr(teacher, "predict_each", predict_a_half)
    learned = Run(config, taught).load_data("fold_2")
    assert learned.possible_leakage
    of_ten = replace(learned.part, name="fold_7", stream=7)
    fold = replace(learned, part=of_ten, possible_leakage=False)
    assert config.teacher is not None
    folder = paths.root() / "fold_7"
    assert teacher.teach(fold, config, config.teacher, taught, folder).possible_leakage


def predict_a_half(models: Sequence[Any], _: Any, rows: np.ndarray, *_more: Any) -> np.ndarray:
    return np.full((len(models), len(rows), 37), 0.5, np.float32)
