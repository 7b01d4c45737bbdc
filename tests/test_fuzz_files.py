"""Whatever bytes lie in a file: the numbers that it holds, or one line that names it."""

import csv
import io
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaggle_fixtures import COLUMNS, csv_bytes, draw_image, draw_votes, encode, write_zip
from reliability import fuzzed, is_long, thorough

from galaxyzoo import kaggle
from galaxyzoo.archives import ImageStore
from galaxyzoo.config import ORIGINAL_PX, Config, load_config
from galaxyzoo.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE
from galaxyzoo.errors import InputError
from galaxyzoo.images import decode
from galaxyzoo.tables import FOLD, read_predictions

pytestmark = pytest.mark.reliability
# One folder serves all cases of a test: each writes its file anew.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
CASES = settings(
    max_examples=thorough(600, 4000),
    deadline=None,
    derandomize=not is_long(),
    suppress_health_check=_SHARED,
)
SLOW = settings(CASES, max_examples=thorough(100, 3000))
PICTURE = draw_image(np.random.default_rng(0), 60)
VOTES = draw_votes(np.random.default_rng(1), np.arange(101, 106))
SEEDS = st.integers(0, 2**32 - 1)
JUNK = (
    b"", b"\x00", b"\xff", b"\n", b"\r", b",", b'"', b"'", b"-", b"nan", b"NaN", b"inf", b"1e999",
    b"\xef\xbb\xbf", b"\xfe\xff", b";", b" ", b"\t", b"101", b"9" * 30, b"True", b"GalaxyID",
    b"0x1", b"1_0", b"\xd9", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06", b"\xff\xff",
)  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Cut, flip, insert, take out, double or swap a few times; at times anything at all."""
    if rng.random() < 0.03:
        return rng.randbytes(rng.randrange(200))
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = rng.randrange(len(out) + 1)
        end = min(len(out), place + rng.choice((1, 1, 2, 4, 30)))
        what = rng.randrange(6)
        if what == 0:
            del out[place:]
        elif what == 1 and place < len(out):
            out[place] ^= 1 << rng.randrange(8)
        elif what == 2:
            out[place:place] = rng.choice(JUNK)
        elif what == 3:
            del out[place:end]
        elif what == 4:
            out[place:place] = out[place:end]
        else:
            out[place:end] = rng.randbytes(end - place)
    return bytes(out)


def check_refusal(error: InputError, name: str) -> None:
    """One line of bearable length that names the file."""
    text = str(error)
    assert text
    assert name in text
    assert len(text.splitlines()) == 1, text
    assert text.isprintable()
    assert len(text) < 1000, text


def test_a_complaint_is_one_printable_line_whatever_it_quotes() -> None:
    quoted = "x.csv: '0.1\x0b9\n\u2028\x1b[2J\x00' is not a number"
    check_refusal(InputError(quoted), "x.csv: '0.1 9 \ufffd[2J\ufffd' is not")
    check_refusal(InputError("x.csv: " + "9" * 5000), "x.csv: 999")


# -- tables


def number(value: float, rng: random.Random) -> str:
    """The same number in one of the ways that programs write it."""
    forms = [repr(value), f"{value:.17g}", f"{value:.17e}", f"{value:.17E}", f"+{value!r}"]
    return rng.choice([*forms, f"0{value!r}" if value >= 0 else repr(value)])


def write_disguised(table: pd.DataFrame, rng: random.Random) -> bytes:
    """A table in any order of rows and columns, quoting, line ends, with BOM and spaces."""
    columns = [table.index.name, *table.columns]
    rng.shuffle(columns)
    rows = list(table.reset_index().to_dict("records"))
    rng.shuffle(rows)
    space = rng.choice(("", " ", "  "))
    quoting: Any = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    text = io.StringIO(newline="")
    end = rng.choice(("\n", "\r\n"))
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    lead = space if quoting == csv.QUOTE_MINIMAL else ""  # a space before a quote is no quote
    writer.writerow([lead + name + space for name in columns])
    for row in rows:
        cells = [
            str(int(row[c])) if c in ("GalaxyID", FOLD) else number(float(row[c]), rng)
            for c in columns
        ]
        writer.writerow([lead + cell + lead for cell in cells])
    body = text.getvalue()
    if rng.random() < 0.3:
        body = body.rstrip("\r\n")
    return rng.choice((b"", b"\xef\xbb\xbf")) + body.encode()


@SLOW
@given(SEEDS)
@fuzzed("tables: any order, quoting, line end, BOM, spaces and float format reads the same")
def test_a_table_reads_the_same_however_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    ids = numbers.choice(10 ** rng.choice((3, 6, 17)), 5, replace=False)
    values = numbers.random((5, 2)) * 10.0 ** numbers.integers(-12, 3, (5, 2))
    table = pd.DataFrame(values, index=pd.Index(ids, name="GalaxyID"), columns=["a", "b c"])
    table[FOLD] = numbers.integers(0, 5, 5)
    path = tmp_path_factory.getbasetemp() / "disguised.csv"
    path.write_bytes(write_disguised(table, rng))
    found = read_predictions(path, ["a", "b c"], ids)
    assert found.index.tolist() == ids.tolist()
    np.testing.assert_allclose(found[["a", "b c"]], values, rtol=1e-15, atol=0)
    assert found[FOLD].tolist() == table[FOLD].tolist()


@CASES
@given(SEEDS)
@fuzzed("tables: any bytes are a valid table or one line that names the file")
def test_any_bytes_are_a_valid_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str], seed: int
) -> None:
    rng = random.Random(seed)
    table = VOTES.iloc[:, :3].assign(fold=[0, 1, 2, 0, 1])
    path = tmp_path_factory.getbasetemp() / "mutated.csv"
    path.write_bytes(mutate(csv_bytes(table), rng))
    columns, ids = list(table.columns[:3]), VOTES.index.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = read_predictions(path, columns, ids)
        except InputError as error:
            check_refusal(error, "mutated.csv")
        else:
            assert list(found.columns) in (columns, [*columns, FOLD])
            assert found.index.tolist() == ids.tolist()
            assert np.isfinite(found.to_numpy(dtype=float)).all()
    assert capfd.readouterr().err == ""


@CASES
@given(SEEDS, st.booleans())
@fuzzed("solutions: any bytes are valid votes or one line that names the file")
def test_any_bytes_are_valid_solutions_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int, zipped: bool
) -> None:
    rng = random.Random(seed)
    folder = tmp_path_factory.getbasetemp() / "competition"
    folder.mkdir(exist_ok=True)
    name = "training_solutions_rev1"
    for old in folder.iterdir():
        old.unlink()
    data = csv_bytes(VOTES)
    path = folder / f"{name}.{'zip' if zipped else 'csv'}"
    if zipped:
        write_zip(path, {f"{name}.csv": data})
        data = path.read_bytes()
    path.write_bytes(mutate(data, rng))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            votes = kaggle._read_solutions(folder)
        except InputError as error:
            check_refusal(error, path.name)
        else:
            assert list(votes.columns) == COLUMNS
            assert votes.index.is_unique
            values = votes.to_numpy()
            assert values.min() >= 0
            assert values.max() <= 1
            assert GALAXY_ZOO_2.residuals(values).max() <= 2 * READ_TOLERANCE * 7


# -- images


def sized_png(width: int, height: int) -> bytes:
    """A PNG whose header says another size than its pixels have."""
    data = bytearray(encode(PICTURE, end=".png"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(data)


def sized_jpeg(width: int, height: int) -> bytes:
    data = bytearray(encode(PICTURE))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


SIDES = st.sampled_from([0, 1, 2, 59, 61, 500, 8192, 8193, 65535, 2**31 - 1, 2**32 - 1])


@CASES
@given(SEEDS, st.sampled_from([".jpg", ".png"]), st.integers(1, ORIGINAL_PX), st.data())
@fuzzed("images: any bytes are an image of the asked size or a ValueError")
def test_any_bytes_are_an_image_or_a_value_error(
    seed: int, end: str, crop_px: int, data: st.DataObject
) -> None:
    rng = random.Random(seed)
    size_px = data.draw(st.integers(1, crop_px))
    try:
        image = decode(mutate(encode(PICTURE, end=end), rng), crop_px, size_px)
    except ValueError as error:
        check_refusal(InputError(error), "")
    else:
        assert image.shape == (size_px, size_px, 3)
        assert image.dtype == np.uint8


@CASES
@given(SIDES, SIDES, st.sampled_from([sized_jpeg, sized_png]))
@fuzzed("images: a header of any size is believed only up to 8192 px")
def test_a_header_of_any_size_is_believed_only_up_to_8192_px(
    width: int, height: int, sized: Callable[[int, int], bytes]
) -> None:
    width, height = (side % 65536 if sized is sized_jpeg else side for side in (width, height))
    if min(width, height) >= 1 and max(width, height) <= 8192:
        try:
            assert decode(sized(width, height), 424, 64).shape == (64, 64, 3)
        except ValueError as error:
            check_refusal(InputError(error), "")
    else:
        with pytest.raises(ValueError, match=f"its size {width} × {height} px is outside"):
            decode(sized(width, height), 424, 64)


def decode_slowly(picture: np.ndarray, crop_px: int, size_px: int) -> np.ndarray:
    """The centre square, each pixel the mean or the nearest of what it covers."""
    height, width = picture.shape[:2]
    side = min(height, width) * crop_px / ORIGINAL_PX
    out = np.empty((size_px, size_px, 3))
    top, left = (height - side) / 2, (width - side) / 2
    for row in range(size_px):
        for column in range(size_px):
            span = [
                (start + place * side / size_px, start + (place + 1) * side / size_px)
                for start, place in ((top, row), (left, column))
            ]
            (r0, r1), (c0, c1) = (
                (int(np.floor(a)), max(int(np.ceil(b)), int(np.floor(a)) + 1)) for a, b in span
            )
            out[row, column] = picture[max(r0, 0) : r1, max(c0, 0) : c1].mean(axis=(0, 1))
    return out


@SLOW
@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, ORIGINAL_PX), st.data())
@fuzzed("images: any shape, crop and size agree with a slow plain version")
def test_any_shape_crop_and_size_agree_with_a_slow_plain_version(
    height: int, width: int, crop_px: int, data: st.DataObject
) -> None:
    size_px = data.draw(st.integers(1, min(crop_px, 24)))
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows * 255 / 600, columns * 255 / 600, 0 * rows + 77], axis=2)
    picture = picture.astype(np.uint8)
    found = decode(encode(picture, end=".png"), crop_px, size_px)
    assert found.shape == (size_px, size_px, 3)
    assert found.dtype == np.uint8
    plain = decode_slowly(picture.astype(float), crop_px, size_px)
    # Smooth pictures: a pixel's place may differ by rounding, not by more.
    side = min(height, width)
    assert np.abs(found - plain).max() <= 255 / 600 * max(8, 2 * side / size_px) + 3


# -- zips of images


@CASES
@given(SEEDS)
@fuzzed("zips: any bytes give the images' bytes or one line that names the zip")
def test_any_bytes_are_a_zip_of_images_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "mutated.zip"
    kind = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", kind) as archive:
        for galaxy_id in (11, 12, 13):
            archive.writestr(f"images/{galaxy_id}.jpg", encode(PICTURE[:20, :20]))
    path.write_bytes(mutate(content.getvalue(), rng))
    try:
        store = ImageStore.open(path)
        for galaxy_id in store.ids:
            try:
                assert isinstance(store.read(int(galaxy_id)), bytes)
            except InputError as error:
                check_refusal(error, "mutated.zip")
    except InputError as error:
        check_refusal(error, "mutated.zip")


def test_a_zip_whose_names_are_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "names.zip"
    write_zip(path, {"é/11.jpg": encode(PICTURE)})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match=r"names\.zip is not a whole zip file"):
        ImageStore.open(path)


# -- configs

YAML = Path(__file__).resolve().parents[1] / "configs" / "hubble10" / "source_mobilenetv2.yaml"


@CASES
@given(SEEDS)
@fuzzed("configs: any text is a config or one line that names the file")
def test_any_text_is_a_config_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_bytes(mutate(YAML.read_bytes(), random.Random(seed)))
    try:
        config: Any = load_config(str(path))
    except InputError as error:
        check_refusal(error, "mutated.yaml")
    else:
        assert isinstance(config, Config)
