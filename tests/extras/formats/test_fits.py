"""FITS cut-outs: the right bands, part and orientation in every form."""

import bz2
import gzip
import lzma
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from galaxyzoo.extras.formats.stretches import STRETCHES
from support.fits_files import CUBE, SCALE, SKY, bands, galaxy, packed, part, write_fits

LINEAR = FitsSettings(stretch="linear")
LINE = np.arange(10.0)
MASK = np.ones((3, 48, 48))

RIGHT: dict[str, tuple[Callable[[], bytes], str]] = {
    # Cutana's raw cut-outs, named by their tiles
    "a band an extension, named": (lambda: bands("TILE1_VIS", "TILE1_Y", "TILE1_H"), "1,2,3"),
    "a band an extension, by names": (lambda: bands("g", "r", "i"), "G,r,i"),
    # SCI, ERR and DQ of HST and JWST; IMAGE, MASK and VARIANCE of Rubin and HSC
    "SCI among others": (lambda: write_fits(None, part(CUBE * 2, "ERR"), part(CUBE, "SCI")), ""),
    "IMAGE among others": (lambda: write_fits(None, part(CUBE, "IMAGE"), part(MASK, "MASK")), ""),
    # Legacy Surveys' cutout service with invvar
    "the first, weights behind": (lambda: write_fits(CUBE, part(CUBE + 1, "INVVAR")), ""),
    "by its number": (lambda: write_fits(CUBE[::-1].copy(), part(CUBE)), "1"),
    # ACS and WFC3 have an SCI and an ERR of each chip
    "a version, as for ds9": (
        lambda: write_fits(None, part(CUBE * 2, "SCI"), part(CUBE, "SCI", EXTVER=2)),
        "sci,2",
    ),
    "a name and a part": (lambda: write_fits(None, part(CUBE[:2], "SCI"), part(CUBE[2:])), "SCI,2"),
    # spectra, histograms and look-up arrays in front (astropy 8.0.2, HDUList)
    "1-D data in front": (lambda: write_fits(LINE, part(CUBE)), ""),
    "a few rows in front": (lambda: write_fits(np.ones((4, 99)), part(CUBE)), ""),
    # radio's cubes: CASA's exportfits keeps the axis of Stokes
    "an axis of 1 in front": (lambda: write_fits(CUBE[None]), ""),
    "an axis of 1 behind": (lambda: write_fits(CUBE[..., None]), ""),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_form_gives_the_plain_cubes_picture(case):
    make, hdu = RIGHT[case]
    settings = FitsSettings(hdu=tuple(hdu.split(",")) if hdu else ())
    assert np.array_equal(to_rgb(make(), settings), to_rgb(write_fits(CUBE), FitsSettings()))


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("opacity", [255, 51])
def test_bytes_in_three_colors_are_a_picture_already(axis, opacity):
    colors = np.clip(CUBE / 2, 0, 255).astype(np.uint8)
    planes = [*colors, np.full((48, 48), opacity, np.uint8)][: 4 if opacity < 255 else 3]
    picture = to_rgb(write_fits(np.stack(planes, axis)), FitsSettings())
    assert np.array_equal(picture, np.round(np.moveaxis(colors[:, ::-1], 0, 2) * (opacity / 255)))


# Header's BANDS, and --bands -> planes for red, green and blue
NAMED: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "Legacy Surveys": ("grz", (), (2, 1, 0)),
    "Legacy Surveys' fourth band": ("griz", (), (2, 1, 0)),
    "without i": ("zgr-", (), (0, 2, 1)),
    "SDSS": ("u,g,r,i,z", (), (3, 2, 1)),
    "typed": ("zirg", (3, 2, 0), (3, 2, 0)),
    "others": ("YJHK", (), (2, 1, 0)),
    "not as many": ("irg", (), (2, 1, 0)),
    "their number": (4, (), (2, 1, 0)),
}


@pytest.mark.parametrize("case", NAMED)
def test_planes_are_chosen_by_the_header_unless_typed(case):
    names, typed, planes = NAMED[case]
    cube = np.concatenate([CUBE, CUBE[:2] + CUBE[1:]])
    cube = cube[: {"grz": 3, "u,g,r,i,z": 5}.get(names, 4)]
    picture = to_rgb(write_fits(cube, BANDS=names), FitsSettings(bands=typed))
    assert np.array_equal(picture, to_rgb(write_fits(cube), FitsSettings(bands=planes)))
    details = [f", '{names}'"] if case in ("others", "not as many") else []
    assert list((picture.notes or {}).values()) == details


def test_scaled_bytes_are_measured_pixels_not_a_picture():
    """As `hdu.scale("uint8", "minmax")` of astropy 8.0.2 writes them, with and without a zero."""
    expected = to_rgb(write_fits(CUBE - CUBE.min()), FitsSettings()).astype(int)
    for unit in (1, 0.001):
        for zero in (0, 5):
            hdu = part((CUBE - CUBE.min()) * unit + zero * unit)
            hdu.scale("uint8", "minmax")
            picture = to_rgb(write_fits(None, hdu), FitsSettings())
            assert np.abs(picture - expected).mean() < 2


@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_red_disc_is_red_and_above(stretch):
    values = galaxy(x=16, y=33)
    picture = to_rgb(write_fits(values), FitsSettings(stretch=stretch)).astype(int)
    assert picture.shape == (48, 48, 3)
    light = picture.sum(axis=2)
    y, x = np.argwhere(light >= 0.9 * light.max()).mean(axis=0)
    assert (round(y), round(x)) == (47 - 33, 16)  # FITS counts rows from below
    assert picture[..., 0].sum() > picture[..., 2].sum()
    turned = to_rgb(write_fits(values), FitsSettings(stretch=stretch, bands=(0, 1, 2)))
    assert np.array_equal(turned, picture[..., ::-1])
    gray = to_rgb(write_fits(values[0]), FitsSettings(stretch=stretch))
    assert (gray == gray[..., :1]).all()
    assert np.ptp(gray) > 50


@pytest.mark.parametrize("settings", [LINEAR, FitsSettings(stretch="linear", pixel_arcsec=0.5)])
def test_the_field_is_the_center_by_the_header_or_the_given_scale(settings):
    kept = round(5 / (settings.pixel_arcsec or SCALE))
    edge = (48 - kept) // 2
    inner = CUBE[:, edge : edge + kept, edge : edge + kept]
    assert np.array_equal(
        to_rgb(write_fits(CUBE, **SKY), settings, 5), to_rgb(write_fits(inner), settings)
    )


def to_folder(path: Path, files: dict[str, bytes]) -> list[Path]:
    (path / "cuts").mkdir()
    for name, data in files.items():
        (path / "cuts" / name).write_bytes(data)
    return [path / "cuts"]


def to_zip(path: Path, files: dict[str, bytes]) -> list[Path]:
    with zipfile.ZipFile(path / "cuts.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return [path / "cuts.zip"]


def to_list(path: Path, files: dict[str, bytes]) -> list[Path]:
    to_folder(path, files)
    table = pd.DataFrame({"path": [f"cuts/{name}" for name in files], "petroR90_r": 6 / 8.48})
    table.to_csv(path / "cuts.csv", index=False)
    return [path / "cuts.csv"]


def to_table(path: Path, files: dict[str, bytes]) -> list[Path]:
    """A FITS table with columns in capitals, as some archives write them."""
    to_folder(path, files)
    names = [f"cuts/{name}" for name in files]
    Table({"PATH": names, "PETROR90_R": [6 / 8.48] * len(files)}).write(path / "cuts.fits")
    return [path / "cuts.fits"]


@pytest.mark.parametrize("form", [to_folder, to_zip, to_list, to_table])
def test_every_form_gives_the_same_pictures(tmp_path, form):
    png = cv2.imencode(".png", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    cut = write_fits(CUBE, **SKY)
    settings = FitsSettings(field_arcsec=6)
    [store] = open_all(form(tmp_path, {"7.fits": cut, "8.png": png}), settings)
    assert not store.left_out
    store = pickle.loads(pickle.dumps(store))  # as other processes get it
    images, problems = decode_many(store, ImageConfig(crop_px=424, cache_px=24))
    assert problems == {}
    by_name = {Path(store.names[int(i)]).name: images[i] for i in store.ids}
    assert np.array_equal(by_name["7.fits"], to_rgb(cut, FitsSettings(), 6))  # 24 px of 0.25"
    assert (by_name["8.png"] == 90).all()
    assert len(store.notes) == (form in (to_folder, to_zip))


def test_another_stretch_is_another_digest(tmp_path):
    paths = to_folder(tmp_path, {"7.fits": write_fits(CUBE)})
    [one] = open_all(paths)
    [other] = open_all(paths, LINEAR)
    assert one.identities()[0] != other.identities()[0]
    assert len(other.notes) == 2
    assert "linear" in other.notes[0]


def test_names_with_other_ends_are_fits(tmp_path):
    data = write_fits(CUBE)
    files = dict.fromkeys(("1.fits", "4.fts", "5.fit"), data) | {"3.FITS.FZ": packed(CUBE)}
    files |= {"2.fits.gz": gzip.compress(data), "6.fits.bz2": bz2.compress(data)}
    files["7.fits.xz"] = lzma.compress(data)
    [folder] = to_folder(tmp_path, files)
    right = to_rgb(data, FitsSettings()).tobytes()
    for paths in ([folder], [folder / name for name in files]):
        [store] = open_all(paths)
        assert not store.left_out
        assert [np.asarray(store.load(int(i))).tobytes() for i in store.ids] == [right] * 7


@pytest.mark.parametrize("end", ["fits", "fit", "fts"])
def test_packings_that_are_not_read_are_reported(tmp_path, end):
    files = {"1.fits": write_fits(CUBE), f"2.{end}.Z": b"x", f"3.{end}.zst": b"x"}
    [folder] = to_folder(tmp_path, files)
    for paths in ([folder], [folder / name for name in files]):
        [store] = open_all(paths)
        assert store.names.tolist() == ["1.fits"]
        names, reasons = zip(*store.left_out, strict=True)
        assert [Path(name).name for name in names] == [f"2.{end}.Z", f"3.{end}.zst"]
        assert [why.split(":")[0] for why in reasons] == [
            ".z is not supported",
            ".zst is not supported",
        ]
