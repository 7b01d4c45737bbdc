"""Images without votes: which are found, who labels them, what a fold's training makes of them."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galaxyzoo.config.schema import Config, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import fold_dir
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.inference.artifacts import load_fold_model
from galaxyzoo.inference.predict import predict
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.training.fold_data import find_stage_before, make_fold_data
from galaxyzoo.training.pseudo_labels import ExtraImages, find_extra_images, fit_geometry
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.class_fixtures import write_labelled
from support.kaggle_fixtures import Competition, draw_competition
from support.leak_fixtures import Project, clear_competition, tiny_config


def student(unlabelled: dict[str, Any], **sections: Any) -> Config:
    """A stage on votes, then one that learns from images that the first has labelled."""
    stages = [{"name": "votes"}, {"name": "more", "unlabelled": unlabelled}]
    return tiny_config(run="gz37/student", stages=stages, **sections)


HALF = {"images": ["test"], "ratio": 0.5}


def teacher_of(config: Config) -> Config:
    assert config.before is not None
    return config.before


def labelled(config: Config, data: Dataset, fold: int) -> ExtraImages:
    found = find_extra_images(config, data, fold, find_stage_before(config, data.catalog, fold))
    assert found is not None
    return found


def teacher_network(config: Config, project: Project, fold: int) -> GalaxyNet:
    teacher = teacher_of(config)
    return load_fold_model(teacher, fold_dir(project.catalog.dataset, teacher.run, fold))


@pytest.fixture
def project(root: Path) -> Project:
    """Three folds of 36 galaxies, 4 test galaxies; the teacher is trained."""
    clear_competition().write_zips(root / "input")
    data = prepare(n_folds=3)
    made = Project(data, Run(tiny_config(), data).cache("train"))
    Run(teacher_of(student(HALF)), data, {"train": made.images}).train([0, 1, 2])
    return made


def test_test_galaxies_get_the_predictions_of_the_folds_own_network(project):
    config = student(HALF)
    teacher = teacher_of(config)
    cache = Run(teacher, project.data).cache("test")
    for fold in (0, 2):
        found = labelled(config, project.data, fold)
        network = teacher_network(config, project, fold)
        expected = predict(network, cache, np.arange(4), teacher)
        assert found.ids.tolist() == project.catalog.test_ids.tolist()
        np.testing.assert_allclose(found.targets, expected, atol=2e-6)
        np.testing.assert_array_equal(found.read(np.array([1, 3])), cache.images[[1, 3]])


def test_labels_are_of_the_views_that_the_student_asks_for(project):
    configs = [student(HALF), student({**HALF, "tta": {"dihedral": False}})]
    both = [labelled(one, project.data, 0).targets for one in configs]
    model = teacher_network(configs[0], project, 0)
    cache = Run(tiny_config(), project.data).cache("test")
    for found, one in zip(both, configs, strict=True):
        views = one.unlabelled.tta
        expected = predict(model, cache, np.arange(4), tiny_config(), views)
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.abs(both[0] - both[1]).max() > 1e-4


def test_labels_are_made_once_and_kept_with_the_network_that_made_them(project):
    config = student(HALF)
    first = labelled(config, project.data, 1).targets
    folder = fold_dir(project.catalog.dataset, teacher_of(config).run, 1)
    (table,) = folder.glob("pseudo_test_*.csv")
    (folder / "weights.safetensors").unlink()
    np.testing.assert_array_equal(labelled(config, project.data, 1).targets, first)
    assert len(table.read_text().splitlines()) == 5


def test_an_epoch_trains_on_every_galaxy_and_on_the_share_of_labelled_images(project):
    config = student(HALF)
    data = make_fold_data(config, project.data, project.images, 0)
    assert data.extra is not None
    trainer = Trainer(config, data)
    rows = np.concatenate([batch.rows for batch in trainer.batches()])
    own = rows[rows < 36]
    assert sorted(own) == sorted(data.train_rows)
    assert len(rows) - len(own) == 12  # half as many as the 24, so each of the 4 may come again
    for row, galaxy_id in ((0, project.catalog.ids[0]), (38, project.catalog.test_ids[2])):
        assert data.ids[row] == galaxy_id
    # What stands at a row is the same galaxy's image and target.
    some = np.array([3, 30, 36, 39])
    images = np.concatenate([project.images.images[[3, 30]], data.extra.read(np.array([0, 3]))])
    np.testing.assert_array_equal(data.images(some), images)
    targets = np.concatenate([data.targets[[3, 30]], data.extra.targets[[0, 3]]])
    np.testing.assert_array_equal(trainer.targets[some], targets.astype(np.float32))


def test_pseudo_labels_change_what_is_learned(project):
    """Two students, one taught that all test galaxies are the same."""
    config = student(HALF)
    project.train(config, [0])
    clean = project.written(config, 0)["weights.safetensors"]
    before = find_stage_before(config, project.catalog, 0)
    assert before is not None
    (table,) = before.folder.glob("pseudo_test_*.csv")
    head, first, *others = table.read_text().splitlines()
    same = [line.split(",")[0] + "," + first.split(",", 1)[1] for line in others]
    table.write_text("\n".join([head, first, *same]) + "\n")
    replace(before, mark=f"{table.stem}.json").finish([table.name], {})
    shutil.rmtree(fold_dir(project.catalog.dataset, config.run, 0))
    project.train(config, [0])
    assert project.written(config, 0)["weights.safetensors"] != clean


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
    config = student({"images": ["labels"]})
    Run(teacher_of(config), data).train([0])
    found = labelled(config, data, 0)
    assert found.ids.tolist() == list(range(1, 21))  # the others are galaxies of the own dataset
    whole_only = config.model_copy(
        update={"unlabelled": config.unlabelled.model_copy(update={"shown_px": {"labels": 288}})}
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
