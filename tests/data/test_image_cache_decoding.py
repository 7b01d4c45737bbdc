"""Decoding: the right pixels, and clear refusals of what is no image."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest

from galaxyzoo.data.image_cache import decode
from support.bad_image_fixtures import claiming, with_orientation
from support.kaggle_fixtures import draw_image, encode


def sky(seed: int = 0) -> np.ndarray:
    """(424, 424, 3) uint8 as sharp as the competition's images: small stars, a little noise."""
    rng = np.random.default_rng(seed)
    image: np.ndarray = rng.normal(25, 3, (424, 424, 3))
    for y, x in rng.integers(0, 424, (80, 2)):
        image[y, x] += rng.uniform(500, 5000, 3)
    image = cv2.GaussianBlur(image, (0, 0), 2.0)
    y, x = np.mgrid[:424, :424]
    image += 150 * np.exp(-((x - 200) ** 2 + 2 * (y - 220) ** 2) / 3000)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def decode_slowly(data: bytes, crop_px: int, size_px: int) -> np.ndarray:
    """All of the image, the centre square, and each block's mean weighted by area."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    image = np.asarray(bgr, dtype=float)[..., ::-1]
    side = round(min(image.shape[:2]) * crop_px / 424)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    edges = np.linspace(0, side, size_px + 1)
    pixels = np.arange(side)
    # (size, side): how much of pixel j lies in block i
    share = np.clip(
        np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, 1
    )
    share /= share.sum(axis=1, keepdims=True)
    square = image[top : top + side, left : left + side]
    return np.stack([share @ square[..., c] @ share.T for c in range(3)], axis=-1)


def quadrants(side: int = 424) -> np.ndarray:
    """Red, green, blue, white from top left to bottom right: any flip or swap shows."""
    image = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    image[:half, :half, 0] = image[:half, half:, 1] = image[half:, :half, 2] = 255
    image[half:, half:] = 255
    return image


def png_claiming(side: int) -> bytes:
    data = bytearray(encode(np.zeros((16, 16, 3), np.uint8), end=".png"))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize(
    ("crop_px", "size_px", "mean", "most"),
    [
        (320, 160, 0.4, 2.5),  # the default, and other halvings
        (320, 80, 0.4, 2.5),
        (424, 53, 0.4, 2.5),
        (207, 160, 0.4, 0.6),  # shrunk by cv2 alone: rounding only
        (100, 53, 0.4, 0.6),
        (320, 53, 1.0, 10),  # halved, then shrunk by cv2 with the edge up to half a pixel off
        (424, 80, 1.0, 10),
        (207, 80, 1.0, 10),
    ],
)
def test_decoding_agrees_with_a_slow_plain_version(crop_px, size_px, mean, most):
    """In grey levels: the mean difference, and that of 99 % of values (the rest edge stars)."""
    data = encode(sky())
    got = decode(data, crop_px, size_px)
    assert got.shape == (size_px, size_px, 3)
    assert got.dtype == np.uint8
    difference = np.abs(got - decode_slowly(data, crop_px, size_px))
    assert difference.mean() < mean
    assert np.quantile(difference, 0.99) < most


@pytest.mark.parametrize("form", [".jpg", ".png"])
@pytest.mark.parametrize("size_px", [16, 64, 200])
def test_nothing_is_turned_mirrored_or_swapped(form, size_px):
    image = decode(encode(quadrants(), end=form), 212, size_px).astype(int)
    quarter = size_px // 4
    corners = [image[y, x] for y in (quarter, -quarter - 1) for x in (quarter, -quarter - 1)]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert np.abs(np.array(corners) - expected).max() < 8


@pytest.mark.parametrize("shape", [(424, 424), (212, 212), (300, 424), (424, 300), (106, 850)])
def test_the_crop_is_the_middle_square(shape):
    """A white square that is exactly the part to keep, on black: white to its last row."""
    side = round(min(shape) * 200 / 424)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    image = np.zeros((*shape, 3), np.uint8)
    image[top : top + side, left : left + side] = 255
    got = decode(encode(image, end=".png"), 200, 25)
    assert got.min() > 250
    wider = decode(encode(image, end=".png"), 240, 24)
    assert max(wider[0].max(), wider[-1].max(), wider[:, 0].max(), wider[:, -1].max()) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_camera_orientation_is_ignored(orientation):
    plain = encode(quadrants())
    np.testing.assert_array_equal(
        decode(with_orientation(plain, orientation), 320, 32), decode(plain, 320, 32)
    )


def test_grey_and_transparent_images_are_read():
    grey = np.full((60, 60), 77, np.uint8)
    for end in (".jpg", ".png"):
        assert np.abs(decode(encode(grey, end=end), 424, 8).astype(int) - 77).max() <= 1
    rgba = np.dstack([np.full((60, 60), v, np.uint8) for v in (30, 60, 90, 128)])  # cv2 writes BGRA
    data = cv2.imencode(".png", rgba)[1].tobytes()
    assert decode(data, 424, 8)[0, 0].tolist() == [90, 60, 30]


def test_a_cmyk_image_is_read():
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pillow.new("RGB", (64, 64), (200, 40, 40)).convert("CMYK").save(file, "JPEG")
    assert np.abs(decode(file.getvalue(), 424, 8)[4, 4].astype(int) - [200, 40, 40]).max() < 12


@pytest.mark.parametrize("end", [".jpg", ".png"])
def test_an_image_of_one_pixel_is_read(end):
    assert decode(encode(np.full((1, 1, 3), 50, np.uint8), end=end), 320, 16).shape == (16, 16, 3)


JPEG = encode(draw_image(np.random.default_rng(5)))

PNG = encode(draw_image(np.random.default_rng(5)), end=".png")

UNUSABLE = {
    "empty": (b"", "empty"),
    "text": (b"<html>Not found</html>", "neither JPEG nor PNG"),
    "GIF": (b"GIF89a" + b"\0" * 50, "neither JPEG nor PNG"),
    "JPEG cut in half": (JPEG[: len(JPEG) // 2], "cut off"),
    "JPEG without its last byte": (JPEG[:-1], "cut off"),
    "first bytes of a JPEG": (JPEG[:3], "cut off"),
    "PNG cut in half": (PNG[: len(PNG) // 2], "cut off"),
    "JPEG header alone": (b"\xff\xd8\xff\xd9", "damaged"),
    "JPEG of nothing but fill": (b"\xff" + b"\xd8" + b"\xff" * 40 + b"\xff\xd9", "damaged"),
    "JPEG of 60000 px": (claiming(60_000), "60000 × 60000"),
    "JPEG of no height": (claiming(0), "0 × 0"),
    "PNG of 60000 px": (png_claiming(60_000), "60000 × 60000"),
    "PNG whose pixels are missing": (PNG[:60] + PNG[-12:], "cut off"),
}


@pytest.mark.parametrize(("data", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_refused_with_a_reason(data, why):
    with pytest.raises(ValueError, match=why):
        decode(data, 320, 32)


def test_a_huge_claim_is_refused_before_anything_is_decoded(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="60000"):
        decode(claiming(60_000), 320, 32)
