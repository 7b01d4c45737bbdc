"""What the page asks of trained runs, without the page."""

import gzip

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import folds_dir
from galaxyzoo.data.stores import opening
from galaxyzoo.extras.app import service
from galaxyzoo.extras.app.service import LoadedRun
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from galaxyzoo.extras.surveys.survey import classes_of_votes
from galaxyzoo.results.fold_files import DONE
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from support.fits_files import write_fits
from support.pictures import draw_images, encode
from support.problems import draw_votes
from support.small_models import small_config, untrained


@pytest.mark.parametrize(
    ("arguments", "settings", "width_arcsec"),
    [
        ([], FitsSettings(), None),
        (["--stretch", "linear"], FitsSettings(stretch="linear"), None),
        (["--field", "40", "--pixel-scale", "1"], FitsSettings(pixel_arcsec=1.0), 40.0),
    ],
)
def test_a_fits_cut_out_is_predicted_as_the_picture_that_predict_draws(
    prepared, monkeypatch, arguments, settings, width_arcsec
):
    """By the settings of the dataset that the run was trained on."""
    monkeypatch.setattr(opening, "read_image_settings", lambda dataset: arguments)
    run = LoadedRun("x", "gz37/small", untrained(small_config(), folds=2))
    y, x = np.mgrid[:64, :64] - 32
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 64, 64))
    cube = np.exp(-np.hypot(x, y) / 9) + noise
    cut_out = write_fits(cube.astype(np.float32))
    png = encode(to_rgb(cut_out, settings, width_arcsec), end=".png")
    expected = run.predict_upload(png, "mine").prediction
    for sent in (cut_out, gzip.compress(cut_out)):
        assert np.allclose(run.predict_upload(sent, "mine").prediction, expected, atol=1e-6)
    for bad, why in (
        (cut_out[:4000], "FITS file is dam"),
        (write_fits(cube[:2]), "B .an option of"),
    ):
        with pytest.raises(InputError, match=f"mine cannot be used: .*{why}"):
            run.predict_upload(bad, "mine")


def test_images_up_to_20_mb_and_8192_px_a_side_are_predicted(prepared):
    run = LoadedRun("x", "gz37/small", untrained(small_config()))
    widest = draw_images(1)[0].repeat(200, axis=1)[:16, :8192]
    largest = encode(widest, end=".png").ljust(20_000_000, b"\0")  # no reader looks behind its end
    assert run.predict_upload(largest, "mine").prediction.shape == (37,)
    with pytest.raises(InputError, match="mine is larger than 20 MB"):
        run.predict_upload(largest + b"\0", "mine")
    wider = encode(np.pad(widest, ((0, 0), (0, 1), (0, 0))), end=".png")
    with pytest.raises(InputError, match="mine cannot be used: its size is 8193 × 16 px"):
        run.predict_upload(wider, "mine")


def test_classes_follow_from_votes_where_these_are_clear():
    votes = draw_votes(np.random.default_rng(3), 400)[0]
    table = pd.DataFrame(votes, columns=list(GALAXY_ZOO_2.columns))
    for name, rule in {name: task.rule for name, task in TASKS.items() if task.rule}.items():
        labels = rule.labels(table)
        for row in (0, 1, 2, int(labels.index[0])):
            found = classes_of_votes(table.loc[[row]])[name]
            expected = labels.loc[row].idxmax() if row in labels.index else ""
            assert found == [expected]


def test_what_can_answer_is_listed_real_galaxies_first(root):
    runs = ("demo/gz37/cnn", "mini/zoo5/resnet18")
    for name in (*runs, "mini/gz37/stage.small-0123"):
        mark = folds_dir() / name / "fold_0" / DONE
        mark.parent.mkdir(parents=True)
        mark.write_text("{}")
    titles = ["gz37/d4cnn_transfer (bundled)", "zoo5/resnet18 on mini", "gz37/cnn on demo"]
    assert [known.title for known in service.list_runs()] == titles


def test_an_ensemble_stands_in_the_list_and_answers_as_its_runs_do(project, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(project))
    known = service.list_runs()
    names = ["gz37/d4cnn_transfer", "gz37/cnn", "ensemble:all"]  # 36 galaxies say little
    assert [one.name for one in known] == names
    load = service.load_cached_run.__wrapped__  # without its cache
    run = load(known[1].dataset, "gz37/cnn")
    whole = load(known[2].dataset, "ensemble:all")
    listed = r"on '.*': choose from gz37/d4cnn_transfer, gz37/cnn$"
    with pytest.raises(InputError, match=listed):
        load(known[1].dataset, "gz37/resnet18")
    shown = whole.predict_drawn(781510)
    alone = run.predict_drawn(781510)
    assert np.allclose(shown.prediction, alone.prediction, atol=0.05)  # the chosen may correct it
    heat_map = whole.gradcam(shown, 0, "gradcam")
    expected = run.gradcam(alone, 0, "gradcam")
    assert np.array_equal(heat_map.image, expected.image)
    assert np.array_equal(heat_map.heat, expected.heat)
