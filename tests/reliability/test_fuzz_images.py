"""Whatever bytes lie in an image or zip: what it holds, or one line that says what is wrong."""

import io
import random
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from support.bad_image_fixtures import JPEG, KINDS, PNG, chunk, sized_jpeg
from support.fuzz_fixtures import CASES, PICTURE, mutate
from support.pictures import encode, write_zip
from support.refusals import check_refusal
from support.strategies import SEEDS, crops


def sized_png(width: int, height: int) -> bytes:
    """The PNG whose header says another size than its pixels have."""
    head = chunk(b"IHDR", struct.pack(">II", width, height) + PNG[24:29])
    return PNG[:8] + head + PNG[33:]


FILES = st.sampled_from([JPEG, PNG]) | st.sampled_from([kind.data for kind in KINDS.values()])
SIDES = st.sampled_from([0, 1, 2, 105, 107, 500, 8192, 8193, 65535, 2**31 - 1, 2**32 - 1])


@CASES
@given(SEEDS, FILES, crops())
def test_any_bytes_are_an_image_or_a_value_error(seed, file, crop):
    rng = random.Random(seed)
    crop_px, size_px = crop
    try:
        image = decode(mutate(file, rng), crop_px, size_px)
    except ValueError as error:
        check_refusal(InputError(error), "")
    else:
        assert image.shape == (size_px, size_px, 3)
        assert image.dtype == np.uint8


@CASES
@given(SIDES, SIDES, st.sampled_from([sized_jpeg, sized_png]))
def test_a_header_of_any_size_is_believed_only_up_to_8192_px(width, height, sized):
    if sized is sized_jpeg:
        width %= 65536
        height %= 65536
    if min(width, height) >= 1 and max(width, height) <= 8192:
        try:
            assert decode(sized(width, height), 424, 64).shape == (64, 64, 3)
        except ValueError as error:
            check_refusal(InputError(error), "")
    else:
        outside = f"its size is {width} × {height} px; sides"
        with pytest.raises(ValueError, match=f"{outside}|its JPEG header is truncated or damaged"):
            decode(sized(width, height), 424, 64)


@CASES
@given(SEEDS)
def test_any_bytes_are_a_zip_of_images_or_one_line(tmp_path_factory, seed):
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
        store = open_by_galaxy_id(path)
        for galaxy_id in store.ids:
            try:
                assert isinstance(store.read(int(galaxy_id)), bytes)
            except InputError as error:
                check_refusal(error, "mutated.zip")
    except InputError as error:
        check_refusal(error, "mutated.zip")


def test_a_zip_whose_names_are_no_text_is_named(tmp_path):
    path = tmp_path / "names.zip"
    write_zip(path, {"é/11.jpg": encode(PICTURE)})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match=r"names\.zip is not a complete zip file"):
        open_by_galaxy_id(path)
