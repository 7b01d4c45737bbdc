"""Decoders side by side on one thread, and what the shrinking of ours does to the pixels."""

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch
from measuring import Table, race, rate_rows
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.prepare import Dataset

_IMAGES = 300
OURS = "this project: half size, center, to 108 px"


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Images per second of each decoder; our pixels against those of a full decoding."""
    jpegs = read_jpegs(data)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    image = ImageConfig()
    decoders = find_decoders() | {
        OURS: lambda jpeg: decode(jpeg, image.crop_px, image.cache_px),
    }

    def work(decoder: Callable[[bytes], Any]) -> Callable[[], int]:
        return lambda: sum(decoder(jpeg) is not None for jpeg in jpegs)

    rates = race({name: work(decoder) for name, decoder in decoders.items()}, repeats)
    base = "OpenCV, full size"
    header = ("decoder", "img/s, one thread", "range", f"ratio to {base}")
    return [
        Table("Decoding one JPEG of 424 × 424 px", header, rate_rows(rates, base)),
        compare_pixels(jpegs, image),
    ]


def read_jpegs(data: Dataset) -> list[bytes]:
    """The first encoded images."""
    store = data.raw.train_images
    return [store.read(int(galaxy_id)) for galaxy_id in data.catalog.ids[:_IMAGES]]


def find_decoders() -> dict[str, Callable[[bytes], Any]]:
    """The decoders by name."""
    return {
        "Pillow, full size": lambda jpeg: np.asarray(Image.open(io.BytesIO(jpeg))),
        "Pillow, draft of half size": _draft,
        "OpenCV, full size": lambda jpeg: cv2.imdecode(_bytes(jpeg), cv2.IMREAD_COLOR),
        "OpenCV, half size": lambda jpeg: cv2.imdecode(_bytes(jpeg), cv2.IMREAD_REDUCED_COLOR_2),
        "OpenCV, quarter size": lambda jpeg: cv2.imdecode(_bytes(jpeg), cv2.IMREAD_REDUCED_COLOR_4),
        "torchvision, full size": lambda jpeg: decode_jpeg(
            torch.frombuffer(bytearray(jpeg), dtype=torch.uint8), ImageReadMode.RGB
        ),
        "simplejpeg, full size": simplejpeg.decode_jpeg,
        "simplejpeg, half size": lambda jpeg: simplejpeg.decode_jpeg(
            jpeg, min_height=212, min_width=212
        ),
    }


def compare_pixels(jpegs: list[bytes], image: ImageConfig) -> Table:
    """How far pixels decoded in half size are from those decoded in full and shrunk by area."""
    differences = []
    for jpeg in jpegs:
        full = cv2.imdecode(_bytes(jpeg), cv2.IMREAD_COLOR)
        assert full is not None
        first = (full.shape[0] - image.crop_px) // 2
        middle = full[first : first + image.crop_px, first : first + image.crop_px]
        side = (image.cache_px, image.cache_px)
        exact = cv2.cvtColor(
            cv2.resize(middle, side, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB
        )
        ours = decode(jpeg, image.crop_px, image.cache_px)
        differences.append(np.abs(ours.astype(float) - exact))
    values = np.stack(differences)
    row = (
        f"{values.mean():.2f}",
        f"{np.sqrt((values**2).mean()):.2f}",
        f"{np.quantile(values, 0.999):.0f}",
        f"{values.max():.0f}",
    )
    header = ("", "mean", "root mean square", "99.9 % below", "largest")
    rows = [("absolute difference, of 255", *row)]
    return Table("Half-size decoding against full decoding, shrunk by area", header, rows)


def _draft(jpeg: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (212, 212))
    return np.asarray(image)


def _bytes(jpeg: bytes) -> np.ndarray:
    return np.frombuffer(jpeg, np.uint8)
