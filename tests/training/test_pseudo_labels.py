"""Pseudo-labels: which images get them, from whom, and what a fold's training makes of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.config.schema import Config, ImageConfig
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.paths import fold_dir
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.inference.artifacts import load_fold_model
from galaxyzoo.inference.fold_files import FoldFiles
from galaxyzoo.inference.predict import predict
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.holdout import train_holdout
from galaxyzoo.training.pseudo_labels import PseudoLabelled, find_pseudo_labels, fit_geometry
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.class_fixtures import write_labelled
from support.kaggle_fixtures import Competition, draw_competition
from support.leak_fixtures import Project, clear_competition, tiny_config

TEACHER = "gz37/small"

PSEUDO = {"runs": [TEACHER], "ratio": 0.5}

STUDENT = {"run": "gz37/student", "pseudo": PSEUDO}


def labelled(config: Config, data: Dataset, fold: int) -> PseudoLabelled:
    found = find_pseudo_labels(config, data, fold)
    assert found is not None
    return found


def teacher_network(project: Project, fold: int) -> GalaxyNet:
    return load_fold_model(tiny_config(), fold_dir(project.catalog.dataset, TEACHER, fold))


@pytest.fixture
def project(root: Path) -> Project:
    """Three folds of 36 galaxies, 4 test galaxies; the teacher is trained."""
    clear_competition().write_zips(root / "input")
    data = prepare(n_folds=3)
    made = Project(data, Run(tiny_config(), data).cache("train"))
    made.train(tiny_config(), [0, 1, 2])
    return made


def test_test_galaxies_get_the_predictions_of_the_folds_own_network(project):
    teacher, config = tiny_config(), tiny_config(**STUDENT)
    cache = Run(teacher, project.data).cache("test")
    for fold in (0, 2):
        found = labelled(config, project.data, fold)
        expected = predict(teacher_network(project, fold), cache, np.arange(4), teacher)
        assert found.ids.tolist() == project.catalog.test_ids.tolist()
        np.testing.assert_allclose(found.targets, expected, atol=2e-6)
        np.testing.assert_array_equal(found.read(np.array([1, 3])), cache.images[[1, 3]])


def test_several_teachers_are_averaged(project):
    project.train(tiny_config(run="gz37/other", train={"seed": 1}), [0])
    one, other, both = (
        labelled(tiny_config(run="gz37/student", pseudo={"runs": runs}), project.data, 0).targets
        for runs in ([TEACHER], ["gz37/other"], [TEACHER, "gz37/other"])
    )
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_allclose(both, (one + other) / 2, rtol=1e-12)


def test_labels_are_of_the_views_that_the_student_asks_for(project):
    config = tiny_config(**STUDENT)
    one_view = {"runs": [TEACHER], "tta": {"dihedral": False}}
    other = tiny_config(run="gz37/student", pseudo=one_view)
    both = [labelled(one, project.data, 0).targets for one in (config, other)]
    model = teacher_network(project, 0)
    cache = Run(tiny_config(), project.data).cache("test")
    tables = [
        predict(model, cache, np.arange(4), tiny_config(), one.pseudo.tta)
        for one in (config, other)
    ]
    for found, expected in zip(both, tables, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.abs(both[0] - both[1]).max() > 1e-4


def test_labels_are_made_once_and_kept_with_the_network_that_made_them(project):
    config = tiny_config(**STUDENT)
    first = labelled(config, project.data, 1).targets
    folder = fold_dir(project.catalog.dataset, TEACHER, 1)
    (table,) = folder.glob("pseudo_test_*.csv")
    (folder / "weights.safetensors").unlink()
    np.testing.assert_array_equal(labelled(config, project.data, 1).targets, first)
    assert len(table.read_text().splitlines()) == 5


def test_an_epoch_trains_on_every_galaxy_and_on_the_share_of_labelled_images(project):
    config = tiny_config(**STUDENT)
    data = make_fold_data(config, project.data, project.images, 0)
    assert data.pseudo is not None
    trainer = Trainer(config, data)
    rows = np.concatenate([batch.rows for batch in trainer.batches()])
    own = rows[rows < 36]
    assert sorted(own) == sorted(data.train_rows)
    assert len(rows) - len(own) == 12  # half as many as the 24, so each of the 4 may come again
    for row, galaxy_id in ((0, project.catalog.ids[0]), (38, project.catalog.test_ids[2])):
        assert data.ids[row] == galaxy_id
    # What stands at a row is the same galaxy's image and target.
    some = np.array([3, 30, 36, 39])
    images = np.concatenate([project.images.images[[3, 30]], data.pseudo.read(np.array([0, 3]))])
    np.testing.assert_array_equal(data.images(some), images)
    targets = np.concatenate([data.targets[[3, 30]], data.pseudo.targets[[0, 3]]])
    np.testing.assert_array_equal(trainer.targets[some], targets.astype(np.float32))


def test_pseudo_labels_change_what_is_learned(project):
    """Two students, one taught that all test galaxies are the same."""
    config = tiny_config(**STUDENT)
    project.train(config, [0])
    clean = project.written(config, 0)["weights.safetensors"]
    (table,) = fold_dir(project.catalog.dataset, TEACHER, 0).glob("pseudo_test_*.csv")
    head, first, *others = table.read_text().splitlines()
    same = [line.split(",")[0] + "," + first.split(",", 1)[1] for line in others]
    table.write_text("\n".join([head, first, *same]) + "\n")
    teacher = FoldFiles.of_trained(project.catalog.dataset, TEACHER, 0)
    replace(teacher, mark=f"{table.stem}.json").finish([table.name], {})
    again = tiny_config(**{**STUDENT, "run": "gz37/again"})
    project.train(again, [0])
    assert project.written(again, 0)["weights.safetensors"] != clean


def test_no_label_of_a_fold_reaches_its_student(project):
    config = tiny_config(**STUDENT)
    project.train(config, [0, 1])
    changed = project.other_labels(0)
    for some in (tiny_config(), config):
        changed.train(some, [0, 1])
    for fold, same in ((0, True), (1, False)):
        before, after = (p.written(config, fold) for p in (project, changed))
        for name in ("weights.safetensors", "test.csv"):
            assert (before[name] == after[name]) == same


def test_images_of_another_dataset_without_the_own_galaxies(root):
    whole = draw_competition(n_train=40, n_test=4, seed=2)
    votes = whole.votes.set_axis(np.arange(21, 61), axis=0)
    images = whole.images | {
        int(new): whole.images[int(old)]
        for old, new in zip(whole.votes.index, votes.index, strict=True)
    }
    write_labelled(root / "input" / "labels")  # galaxies 1 to 40, and 41 to 44 without labels
    Competition(votes, whole.test_ids, images).write_zips(root / "input" / "votes")
    data = prepare("votes", n_folds=4)
    Run(tiny_config(), data).train([0])
    config = tiny_config(run="gz37/student", pseudo={"runs": [TEACHER], "images": ["labels"]})
    found = labelled(config, data, 0)
    assert found.ids.tolist() == list(range(1, 21))  # the others are galaxies of the own dataset
    whole_only = config.model_copy(
        update={"pseudo": config.pseudo.model_copy(update={"shown_px": {"labels": 288}})}
    )
    with pytest.raises(InputError, match=r"'labels' show 288 px .* image.crop_px to that or less"):
        labelled(whole_only, data, 0)


def test_geometry_of_images_that_show_part_of_the_field():
    image = ImageConfig(crop_px=288, cache_px=96, field_px=230, size_px=80)
    fitted = fit_geometry(image, 288)
    assert (fitted.crop_px, fitted.cache_px) == (424, 96)  # the whole of it, three px to one
    assert fitted.field_px == pytest.approx(230 * 424 / 288)
    # Input pixels per cached one: the network sees the galaxies equally large.
    for one in (image, fitted):
        assert one.field_px / one.crop_px * one.cache_px == pytest.approx(230 / 3)
    larger = fit_geometry(ImageConfig(crop_px=324, cache_px=108, field_px=230, size_px=80), 288)
    assert (larger.crop_px, larger.cache_px) == (424, 96)
    assert fit_geometry(image, 424) == image


def test_a_teacher_that_is_not_trained_is_named(project):
    config = tiny_config(run="gz37/student", pseudo={"runs": ["gz37/nobody"]})
    with pytest.raises(FoldError, match=r"student needs gz37/nobody on .* train that first"):
        make_fold_data(config, project.data, project.images, 0)
    project.train(tiny_config(run="gz37/some"), [1])
    config = tiny_config(run="gz37/student", pseudo={"runs": ["gz37/some"]})
    with pytest.raises(FoldError, match=r"labels by gz37/some: .*fold_0 is not trained"):
        make_fold_data(config, project.data, project.images, 0)


def test_a_teacher_of_another_split_is_refused(project):
    train = project.catalog.train.assign(fold=(project.catalog.folds + 1) % 3)
    other = replace(project.catalog, train=train)
    with pytest.raises(InputError, match="gz37/small was trained on another split"):
        make_fold_data(
            tiny_config(**STUDENT), replace(project.data, catalog=other), project.images, 0
        )


def test_a_student_of_a_teacher_selected_on_validation_is_marked_so_too(project):
    best = tiny_config(run="gz37/best", train={"checkpoint": "best", "ema_decay": 0})
    project.train(best, [0])
    student = tiny_config(run="gz37/student", pseudo={"runs": ["gz37/best"]})
    assert project.train(student, [0]).selected_on_validation
    fair = tiny_config(**{**STUDENT, "run": "gz37/fair"})
    assert not project.train(fair, [0]).selected_on_validation


def test_a_hold_out_refuses_pseudo_labels(project):
    with pytest.raises(InputError, match="learns from labels by gz37/small"):
        train_holdout(Run(tiny_config(**STUDENT), project.data))
