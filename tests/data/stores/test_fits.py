"""FITS cut-outs: the right band, part and orientation; damaged ones are rows of the errors."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.stores.fits import STRETCHES, FitsSettings, FitsStore, draw
from galaxyzoo.data.stores.opening import open_stores
from galaxyzoo.inference.images import notes_on
from support.refusals import one_line_refusal

LINEAR = FitsSettings(stretch="linear")
SCALE = 0.25  # arcsec
SKY: dict[str, Any] = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 20, "CRPIX2": 20, "CRVAL1": 180,
    "CRVAL2": 30, "CD1_1": -SCALE / 3600, "CD1_2": 0, "CD2_1": 0, "CD2_2": SCALE / 3600,
}  # fmt: skip


def write(values: np.ndarray, kind: str = "plain", **header: Any) -> bytes:
    """A FITS file of the values, with some keys in its header."""
    part = {"plain": fits.PrimaryHDU, "extension": fits.ImageHDU, "packed": fits.CompImageHDU}
    one = part[kind](values)
    one.header.update(header)
    file = io.BytesIO()
    (one if kind == "plain" else fits.HDUList([fits.PrimaryHDU(), one])).writeto(file)
    return file.getvalue()


def galaxy(bands: int = 3, side: int = 40) -> np.ndarray:
    """(band, side, side) a disc left of the center and above it, on a noisy sky."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    disc = 5 * np.exp(-np.hypot(x - 0.35 * side, y - 0.7 * side) / 3)
    noise = np.random.default_rng(0).normal(0, 0.02, (bands, side, side))
    return (disc + noise + 0.3).astype(np.float32)


def test_linear_values_are_as_by_hand() -> None:
    values = np.kron(np.array([[[0.0, 1.0], [2.0, 10.0]]] * 3), np.ones((4, 4)))
    values[2, 4:, 4:] = 5  # red
    picture = draw(write(values), LINEAR)
    assert picture[::4, ::4, 1].tolist() == [[51, 255], [0, 26]]  # last row first; 25.5 to even
    assert picture[0, 4].tolist() == [128, 255, 255]  # red, green, blue


@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_red_disc_is_red_and_above(stretch: Any) -> None:
    values = galaxy()
    values[0] = (values[0] - 0.3) / 4 + 0.3  # a quarter of the light in blue
    picture = draw(write(values), FitsSettings(stretch=stretch)).astype(int)
    assert picture.shape == (40, 40, 3)
    light = picture.sum(axis=2)
    y, x = np.argwhere(light >= 0.9 * light.max()).mean(axis=0)
    assert (round(y), round(x)) == (39 - 28, 14)  # FITS counts rows from below
    assert picture[..., 0].sum() > picture[..., 2].sum()
    turned = draw(write(values), FitsSettings(stretch=stretch, bands=(0, 1, 2))).astype(int)
    assert np.array_equal(turned, picture[..., ::-1])


@pytest.mark.parametrize("kind", ["extension", "packed"])
def test_other_parts_of_a_file_are_read(kind: str) -> None:
    values = np.round(galaxy() * 1000).astype(np.int32)  # packing floats loses a little
    assert np.array_equal(draw(write(values, kind), LINEAR), draw(write(values), LINEAR))


def test_one_band_is_gray() -> None:
    picture = draw(write(galaxy(1)[0]), FitsSettings())
    assert (picture == picture[..., :1]).all()
    assert np.ptp(picture) > 100


@pytest.mark.parametrize("settings", [LINEAR, FitsSettings("linear", pixel_arcsec=0.5)])
def test_the_field_is_the_center_by_the_header_or_the_given_scale(settings: FitsSettings) -> None:
    values = np.arange(3 * 40 * 40, dtype=np.float32).reshape(3, 40, 40)
    kept = round(5 / (settings.pixel_arcsec or SCALE))
    edge = (40 - kept) // 2
    inner = values[:, edge : edge + kept, edge : edge + kept]
    assert np.array_equal(draw(write(values, **SKY), settings, 5), draw(write(inner), settings))


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


def to_tar(path: Path, files: dict[str, bytes]) -> list[Path]:
    with tarfile.open(path / "cuts.tar", "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return [path / "cuts.tar"]


def to_list(path: Path, files: dict[str, bytes]) -> list[Path]:
    to_folder(path, files)
    table = pd.DataFrame({"path": [f"cuts/{name}" for name in files], "petroR90_r": 6 / 8.48})
    table.to_csv(path / "cuts.csv", index=False)
    return [path / "cuts.csv"]


@pytest.mark.parametrize("form", [to_folder, to_zip, to_tar, to_list])
def test_every_form_gives_the_same_pictures(
    tmp_path: Path, form: Callable[[Path, dict[str, bytes]], list[Path]]
) -> None:
    png = cv2.imencode(".png", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    cut = write(galaxy(), **SKY)
    [store] = open_stores(
        form(tmp_path, {"7.fits": cut, "8.png": png}), FitsSettings(field_arcsec=6)
    )
    assert store.left_out == []
    store = pickle.loads(pickle.dumps(store))  # as other processes get it
    assert isinstance(store, FitsStore)
    images, problems = decode_many(store, store.ids, ImageConfig(crop_px=424, cache_px=24))
    assert problems == {}
    by_name = {Path(store.names[int(i)]).name: images[i] for i in store.ids}
    assert np.array_equal(by_name["7.fits"], draw(cut, FitsSettings(), 6))  # 24 px of 0.25"
    assert (by_name["8.png"] == 90).all()
    assert len(store.notes) == (form is not to_list)


def test_another_stretch_is_another_digest(tmp_path: Path) -> None:
    paths = to_folder(tmp_path, {"7.fits": write(galaxy())})
    [one] = open_stores(paths)
    [other] = open_stores(paths, LINEAR)
    assert one.digest_of(0) != other.digest_of(0)
    assert len(notes_on([other])) == 2
    assert "linear" in notes_on([other, other])[0]


def renamed(key: bytes, old: int, new: int) -> bytes:
    """A file whose head says another number."""
    data = write(galaxy())
    assert key + b"%21d" % old in data
    return data.replace(key + b"%21d" % old, key + b"%21d" % new)


def table_alone() -> bytes:
    """A FITS file with a table and no image."""
    file = io.BytesIO()
    fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])]).writeto(file)
    return file.getvalue()


HOLED = galaxy()
HOLED[1, 3, 4] = np.nan
WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "NaN": (lambda: write(HOLED), "1 of its pixels have no value"),
    "cut off": (lambda: write(galaxy())[:6000], "damaged FITS"),
    "packed and cut off": (lambda: write(galaxy(side=200), "packed")[:20000], "damaged FITS"),
    "head alone": (lambda: write(galaxy())[:2000], "damaged FITS"),
    "no pixels": (lambda: write(np.zeros(0)), "shape is (0,)"),
    "a table": (table_alone, "without an image"),
    "four axes": (lambda: write(np.stack([galaxy()] * 2)), "shape is (2, 3, 40, 40)"),
    "two bands": (lambda: write(galaxy(2)), "2 bands, and --bands names 2"),
    "a side that it lacks": (lambda: renamed(b"NAXIS1  =", 40, 9000), "too large"),
    "bands that it lacks": (lambda: renamed(b"NAXIS3  =", 3, 99999999), "too large"),
    "wrong coordinates": (
        lambda: write(galaxy(), **SKY).replace(b"RA---TAN", b"RA---XYZ"),
        "coordinates are damaged (Unrecognized projection code (XYZ in CTYPE1).)",
    ),
    "text": (lambda: b"SIMPLE  = nothing else", "damaged FITS"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_drawn_is_one_line(case: str) -> None:
    make, why = WRONG[case]
    field_px = 5 if case == "wrong coordinates" else None
    assert why in one_line_refusal(draw, make(), FitsSettings(), field_px)


def test_a_field_needs_coordinates_and_room() -> None:
    with pytest.raises(InputError, match="no coordinates: give --pixel-scale"):
        draw(write(galaxy()), LINEAR, 5)
    with pytest.raises(InputError, match="40 × 40 px, and the field that is wanted has 80"):
        draw(write(galaxy(), **SKY), LINEAR, 20)


@pytest.mark.parametrize("radius", ["", "x", "0", "-1", "inf"])
def test_a_radius_that_is_none_is_refused(tmp_path: Path, radius: str) -> None:
    to_folder(tmp_path, {"7.fits": write(galaxy(), **SKY)})
    (tmp_path / "cuts.csv").write_text(f"path,petroR90_r\ncuts/7.fits,{radius}\n")
    with pytest.raises(InputError, match="'petroR90_r' of row 0 is no radius"):
        open_stores([tmp_path / "cuts.csv"])
