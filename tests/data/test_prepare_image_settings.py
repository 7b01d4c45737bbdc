"""Settings of image files are kept with a dataset, and compared wherever its images are read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.commands import predict
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import read_options
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import read_image_settings
from galaxyzoo.data.prepare import open_dataset
from galaxyzoo.data.stores.opening import read_settings, spell_settings, with_settings
from support.fits_files import galaxy, part, write_fits
from support.trained import run_command

WORDS = ["--bands", "0,1,2", "--hdu", "MODEL", "--field", "5.0", "--pixel-scale", "0.25"]
OTHER = ["--hdu", "DATA"]


@pytest.fixture
def cutouts(root: Path) -> Path:
    """Twelve FITS files with two images each, of two classes."""
    folder = root / "input" / "mine"
    folder.mkdir(parents=True)
    names = [f"g{number}" for number in range(12)]
    for number, name in enumerate(names):
        first, second = (galaxy(x=20 + number, y=size) for size in (20, 28))
        file = write_fits(None, part(first, "DATA"), part(second, "MODEL"))
        (folder / f"{name}.fits").write_bytes(file)
    table = pd.DataFrame({"id": names, "class": ["ring", "arc"] * 6})
    table.to_csv(folder / "labels.csv", index=False)
    return folder


def type_prepare(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    run_command(monkeypatch, "prepare", "--data", "mine", "--task", "mine", "--folds", "2", *words)


def decoded() -> np.ndarray:
    data = open_dataset("mine", "mine", "mine")
    return data.train_images(data.raw.image).images


@pytest.mark.usefixtures("cutouts")
def test_images_are_read_by_the_settings_that_their_split_was_made_with(monkeypatch):
    with pytest.raises(InputError, match="choose the image with --hdu 1"):
        type_prepare(monkeypatch)
    type_prepare(monkeypatch, *WORDS)
    assert read_image_settings("mine") == WORDS
    images = decoded()
    type_prepare(monkeypatch)
    type_prepare(monkeypatch, *WORDS)
    np.testing.assert_array_equal(decoded(), images)
    line = (
        "folds/mine was split with --bands 0,1,2 --hdu MODEL --field 5.0 --pixel-scale 0.25, not "
        "--hdu DATA: delete folds/mine to split and train again"
    )
    with pytest.raises(InputError, match=line):
        type_prepare(monkeypatch, *OTHER)


@pytest.mark.usefixtures("cutouts")
def test_a_prediction_takes_the_settings_of_training_or_says_that_it_has_others(
    monkeypatch, capsys
):
    type_prepare(monkeypatch, *WORDS)
    capsys.readouterr()
    kind = with_settings(predict.PredictOptions)
    for words, taken, says in (([], WORDS, False), (WORDS, WORDS, False), (OTHER, OTHER, True)):
        options = read_options(kind, None, ["a/", *words])
        assert spell_settings(predict.settings_of("mine", options)) == taken
        line = f"mine was trained with {' '.join(WORDS)}, these images are read with --hdu DATA\n"
        assert capsys.readouterr().out == (line if says else "")
        assert spell_settings(predict.settings_of(BUNDLED, options)) == words
        assert not capsys.readouterr().out


@pytest.mark.parametrize("words", [[], WORDS, OTHER, ["--stretch", "zscale"]], ids=str)
def test_settings_are_spelled_as_they_are_typed(words):
    assert spell_settings(read_settings(words)) == words
