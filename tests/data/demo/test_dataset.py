"""The demo set: votes obey the tree, pictures carry the labels, files are laid out as Kaggle's."""

import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.demo import dataset, galaxies
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from support.datasets import COLUMNS, PARTS

N = 160

ZIPS = sorted(PARTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small demo set."""
    folder = tmp_path_factory.mktemp("demo") / "input"
    dataset.write_demo(folder, n_train=24, n_test=8, seed=3)
    return folder


def table(folder, stem):
    with zipfile.ZipFile(folder / f"{stem}.zip") as archive:
        return pd.read_csv(archive.open(f"{stem}.csv"))


def test_votes_obey_the_tree_and_are_as_varied_as_in_the_competition():
    found, forms = [], set()
    for galaxy_id in range(N):
        rng = np.random.default_rng([0, galaxy_id])
        galaxy = galaxies.draw_morphology(rng)
        found.append(galaxies.simulate_votes(galaxy, rng))
        form = galaxy.kind, galaxy.oddity, galaxy.edge_on
        if form not in forms:  # the first of its form: pictures take a hundred times as long
            np.testing.assert_array_equal(dataset.draw_galaxy(galaxy_id, seed=0)[1], found[-1])
        forms.add(form)
    votes = np.stack(found)
    assert votes.min() >= 0
    assert votes.max() <= 1
    assert GALAXY_ZOO_2.residuals(votes).max() < 1e-12
    assert votes.std(axis=0).min() > 0.02, COLUMNS[int(votes.std(axis=0).argmin())]
    assert 0.40 < votes[:, COLUMNS.index("Class1.1")].mean() < 0.52


def measure(galaxy):
    """Axis ratio, angle (rad) and area (px) inside the contour at half of a drawn galaxy's peak."""
    gray = galaxies.render_galaxy(galaxy, np.random.default_rng(1)).astype(np.float32).mean(axis=2)
    gray = cv2.GaussianBlur(gray, (0, 0), 2)
    inside = (gray > gray[204:220, 204:220].max() / 2).astype(np.uint8)
    parts = cv2.connectedComponents(inside)[1]
    y, x = np.nonzero(parts == parts[212, 212])
    moments, axes = np.linalg.eigh(np.cov(x, y))
    return np.sqrt(moments[0] / moments[1]), np.arctan2(axes[1, 1], axes[0, 1]) % np.pi, len(x)


def test_a_drawn_galaxy_has_the_axis_ratio_and_the_angle_of_its_parameters():
    plain = replace(galaxies.draw_morphology(np.random.default_rng(0)), sky_px=424, brightness=110)
    plain = replace(plain, size=1.0, angle_rad=0.7, sersic=1.0, bulge=0.0, bar=0.0, arms=0.0)
    plain = replace(plain, oddity=None, oddness=0.0)
    areas = set()
    for kind, ratios in ((galaxies.SMOOTH, (0.5, 0.95)), (galaxies.DISK, (0.13, 0.26, 0.7))):
        for ratio in ratios:
            galaxy = replace(plain, kind=kind, axis_ratio=ratio)
            assert measure(galaxy)[:2] == pytest.approx((ratio, 0.7), abs=0.03)
            areas |= {measure(galaxy)[2]} if kind == galaxies.SMOOTH else set()
    assert max(areas) < 1.1 * min(areas)  # the flatter one is the longer one
    bulges = [replace(plain, kind=galaxies.DISK, axis_ratio=q, bulge=1.0) for q in (0.3, 0.95)]
    assert [measure(b)[0] for b in bulges] == pytest.approx([0.53, 0.96], abs=0.03)


def test_the_same_seed_gives_the_same_bytes_after_a_stop_too(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "draw_galaxy", lambda galaxy_id, seed: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            dataset.write_demo(tmp_path, n_train=24, n_test=8, seed=3)
    assert not list(tmp_path.iterdir())
    dataset.write_demo(tmp_path, n_train=24, n_test=8, seed=3)
    for stem in ZIPS:
        again, first = ((f / f"{stem}.zip").read_bytes() for f in (tmp_path, folder))
        assert again == first, stem


def test_table_holds_the_votes_of_the_pictures(folder):
    solutions = table(folder, "training_solutions_rev1").set_index("GalaxyID")
    assert GALAXY_ZOO_2.residuals(solutions.to_numpy()).max() < 2e-6
    for galaxy_id in solutions.index[::6]:
        votes = dataset.draw_galaxy(int(galaxy_id), seed=3)[1]
        assert np.abs(solutions.loc[galaxy_id] - votes).max() < 1e-8
    assert (table(folder, "all_zeros_benchmark")[COLUMNS] == 0).all(axis=None)


def test_no_id_repeats_in_a_set_as_large_as_the_competitions():
    train, test = dataset.choose_ids(61_578, 79_975, seed=0)
    assert len(np.union1d(train, test)) == 61_578 + 79_975
    assert not np.array_equal(train, dataset.choose_ids(61_578, 79_975, seed=1)[0])
