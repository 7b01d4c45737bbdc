"""One picture in every form that people's files come in, whole and broken."""

import io
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from support.pictures import draw_image, encode

PICTURE = draw_image(np.random.default_rng(5))
JPEG = encode(PICTURE)
PNG = encode(PICTURE, end=".png")
END = b"\xff\xd9"


@dataclass(frozen=True)
class Kind:
    """A file's content, and how it is taken."""

    data: bytes
    refusal: str = ""  # part of the reason why it cannot be used; empty where it can
    # largest mean difference to the picture, in gray levels; None where it shows something else
    close: float | None = None


def save(form: str, **options: object) -> bytes:
    """The picture as Pillow writes it."""
    mode = str(options.pop("mode", "RGB"))
    file = io.BytesIO()
    Image.fromarray(PICTURE).convert(mode).save(file, form, **options)
    return file.getvalue()


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The same JPEG with an EXIF segment that tells viewers to turn it."""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def sized_jpeg(width: int, height: int) -> bytes:
    """The JPEG whose header says another size than its pixels have."""
    data = bytearray(JPEG)
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png_bomb(side: int) -> bytes:
    """A whole PNG of a few kB that unpacks to `side` × `side` black pixels, one bit each."""
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows))
    return PNG[:8] + b"".join(map(chunk, *zip(*parts, (b"IEND", b""), strict=True)))


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def changed(data: bytes) -> bytes:
    """The data with another byte in their middle."""
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


def two_bytes(values: np.ndarray) -> bytes:
    """A PNG of 16 bits."""
    return cv2.imencode(".png", values.astype(np.uint16) * 257)[1].tobytes()


BGR = np.ascontiguousarray(PICTURE[..., ::-1])
GRAY = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
RGBA = np.dstack([BGR, np.full(GRAY.shape, 255, np.uint8)])
PROGRESSIVE = cv2.imencode(".jpg", BGR, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
HALF = len(JPEG) // 2
BROKEN = "truncated or damaged"
HALF_PROGRESSIVE = PROGRESSIVE[: len(PROGRESSIVE) // 2]
ALL_BUT_LAST_SCAN = PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xc4")]
KINDS: dict[str, Kind] = {
    "zero bytes": Kind(b"", "empty"),
    "JPEG cut off": Kind(JPEG[:HALF], "truncated"),
    "JPEG cut off, zeros up to its size": Kind(JPEG[:900].ljust(len(JPEG), b"\0"), "truncated"),
    "JPEG cut off, an end marker behind": Kind(JPEG[:HALF] + END, BROKEN),
    "JPEG with a hole of zeros": Kind(JPEG[:HALF] + bytes(900) + JPEG[HALF + 900 :], BROKEN),
    "progressive JPEG cut off, an end marker behind": Kind(HALF_PROGRESSIVE + END, BROKEN),
    "progressive JPEG without its last scan": Kind(ALL_BUT_LAST_SCAN + END, close=3),
    "JPEG header alone": Kind(JPEG[:40], "header is truncated"),
    "PNG cut off": Kind(PNG[: len(PNG) // 2], "truncated"),
    "PNG cut off, an end chunk behind": Kind(PNG[: len(PNG) // 2] + PNG[-12:], "checksum"),
    "PNG with a changed byte": Kind(changed(PNG), "checksum"),
    "HTML page behind .jpg": Kind(b"<html><title>404</title></html>", "neither JPEG nor PNG"),
    "text behind .jpg": Kind(b"no galaxy\n", "neither JPEG nor PNG"),
    "GIF behind .jpg": Kind(save("GIF"), "neither JPEG nor PNG"),
    "decompression bomb, JPEG of 60000 px": Kind(sized_jpeg(60_000, 60_000), "60000 × 60000 px"),
    "decompression bomb, PNG of 20000 px": Kind(png_bomb(20_000), "20000 × 20000 px"),
    "PNG behind .jpg": Kind(PNG, close=3),
    "grayscale JPEG": Kind(encode(GRAY), close=3),
    "grayscale PNG": Kind(encode(GRAY, end=".png"), close=3),
    "RGBA": Kind(cv2.imencode(".png", RGBA)[1].tobytes(), close=3),
    "palette": Kind(save("PNG", mode="P"), close=7),
    "CMYK": Kind(save("JPEG", mode="CMYK", quality=95), close=3),
    "16 bits": Kind(two_bytes(BGR), close=3),
    "16 bits, grayscale": Kind(two_bytes(GRAY), close=3),
    "1 × 1": Kind(encode(PICTURE[:1, :1])),
    "EXIF-rotated": Kind(with_orientation(JPEG, 6), close=0),
    "progressive JPEG": Kind(PROGRESSIVE, close=3),
    "a second picture behind (MPO)": Kind(JPEG + encode(PICTURE[::-1]), close=0),
    "bytes behind the end, as cameras append": Kind(JPEG + b"\0trailer" * 500, close=0),
    "bytes behind the end of a PNG": Kind(PNG + bytes(100), close=3),
}
