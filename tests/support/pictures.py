"""Made-up pictures and their files."""

import base64
import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np


def draw_image(rng: np.random.Generator, side_px: int = 106) -> np.ndarray:
    """(side, side, 3) uint8: an oval blob among stars and noise, so that no two look alike."""
    y, x = np.mgrid[:side_px, :side_px] - side_px / 2
    blob = 120 * np.exp(-(x**2 + (y * rng.uniform(1, 2)) ** 2) / rng.uniform(50, 400))
    image = blob[..., None] + rng.normal(20, 6, (side_px, side_px, 3))
    for row, column in rng.integers(2, side_px - 2, (8, 2)):
        image[row - 1 : row + 2, column - 1 : column + 2] += rng.uniform(60, 200, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


def draw_images(count: int = 18, side_px: int = 48) -> np.ndarray:
    """(image, H, W, 3) uint8 pictures that differ."""
    rng = np.random.default_rng(count)
    return np.stack([draw_image(rng, side_px) for _ in range(count)])


def encode(image: np.ndarray, quality: int = 90, end: str = ".jpg") -> bytes:
    """JPEG (or PNG) bytes of an (H, W, 3) uint8 RGB image."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if end == ".jpg" else []
    bgr = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    return cv2.imencode(end, bgr, options)[1].tobytes()


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip: images stored, tables compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            kind = zipfile.ZIP_DEFLATED if name.endswith(".csv") else zipfile.ZIP_STORED
            archive.writestr(name, data, kind)


def damage(path: Path, member: str) -> None:
    """Change bytes in the middle of a zip's member, behind the back of its checksum."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        start = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    data = bytearray(path.read_bytes())
    for place in range(start, start + 8):
        data[place] ^= 0xFF
    path.write_bytes(data)


def read_embedded(data: str) -> np.ndarray:
    """(H, W, 3 or 4) picture of a page, BGR; `data` is its base64."""
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture
