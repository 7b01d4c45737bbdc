"""Decode images once and keep them: one memory-mapped uint8 array per set of images.

A cache is named by a digest of its settings and of the images in it, so a stale one cannot be read.
Its manifest holds the array's digest, checked at the first opening in a process. JPEGs are decoded
by `jpeg`, PNGs by cv2.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

import cv2
import joblib
import numpy as np

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core import files, paths
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import InputError, UnavailableError, one_line
from galaxyzoo.core.manifest import FORMAT, Artifact, digest
from galaxyzoo.data import jpeg
from galaxyzoo.data.stores.base import Images

_Made = TypeVar("_Made")
AT_ONCE = 8  # images that a thread takes at a time
LISTED = 10  # unusable images that a message names
# cv2's flags by how much an image shrinks while it is decoded.
_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
_VERSION = 4  # of the decoding; raise it when the pixels change
_DECODERS = cv2.__version__, jpeg.DECODER
MAX_SIDE = 8192  # px; beyond it lie files that unpack to gigabytes
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_COLOR_TYPE = 25  # its place in a PNG, behind the bits of a channel
_checked: set[tuple[Path, int]] = set()  # (array, its mtime in ns) checked in this process


@dataclass(frozen=True)
class ImageCache:
    """Decoded images of a list of galaxies."""

    ids: np.ndarray  # (image,)
    images: np.ndarray  # (image, cache_px, cache_px, 3) uint8 RGB, memory-mapped, read-only
    unreadable: np.ndarray  # (image,) bool; such an image is black
    problems: dict[int, str] = field(default_factory=dict)  # why, by id
    notes: Path | None = None  # the file that lists them


def decode(data: bytes | np.ndarray, crop_px: int, size_px: int) -> np.ndarray:
    """Decode an image, cut the center square, shrink it.

    Args:
        data: JPEG, or PNG whose transparent pixels are laid over black, or (H, W, 3) uint8 RGB
            pixels, treated like a PNG of the same pixels.
        crop_px: side of the square in pixels of a 424 px original; other originals are cut in
            proportion.
        size_px: side of the result, at most `crop_px`.
    Returns:
        (size_px, size_px, 3) uint8 RGB.
    Raises:
        ValueError: not an image, cut off, damaged, or of a side above `MAX_SIDE`.
    """
    if not isinstance(data, np.ndarray):
        reduce = _choose_reduction(read_size(data), crop_px, size_px)
        if data.startswith(_JPEG):
            return _cut_square(_decode_jpeg(data, reduce), crop_px, size_px)
        if not _has_alpha(data):
            return _cut_square(_decode_by_cv2(data, reduce), crop_px, size_px)
        data = over_black(_decode_by_cv2(data, 1), _read_alpha(data))
    _check_shape(data.shape[:2])
    reduce = _choose_reduction(data.shape[:2], crop_px, size_px)
    if reduce > 1:  # as cv2 shrinks a PNG while it decodes
        size = (data.shape[1] // reduce, data.shape[0] // reduce)
        data = cv2.resize(data, size, interpolation=cv2.INTER_LINEAR_EXACT)
    return _cut_square(data, crop_px, size_px)


def over_black(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels over black, by their (H, W) uint8 opacity."""
    return cv2.multiply(pixels, cv2.merge([alpha] * 3), scale=1 / 255)


def _choose_reduction(shape: tuple[int, ...], crop_px: int, size_px: int) -> int:
    """Choose the largest reduction that leaves the square with at least `size_px` a side."""
    side = min(shape) * crop_px / ORIGINAL_PX  # in this image's own pixels
    return max(r for r in _REDUCED if r == 1 or side / r >= size_px)


def _cut_square(image: np.ndarray, crop_px: int, size_px: int) -> np.ndarray:
    """The center square, shrunk."""
    rows, columns = image.shape[:2]
    keep = max(1, round(min(rows, columns) * crop_px / ORIGINAL_PX))
    top, left = (rows - keep) // 2, (columns - keep) // 2
    image = image[top : top + keep, left : left + keep]
    if keep == size_px:
        return image
    interpolation = cv2.INTER_AREA if keep > size_px else cv2.INTER_LINEAR
    return cv2.resize(image, (size_px, size_px), interpolation=interpolation)


def decode_many(images: Images, config: ImageConfig) -> tuple[np.ndarray, dict[int, str]]:
    """Decode images into memory, in threads.

    Returns:
        (image, cache_px, cache_px, 3) uint8, black where unreadable; and why, by row.
    """
    pixels = np.zeros((len(images), config.cache_px, config.cache_px, 3), np.uint8)

    def decode_row(row: int) -> str:
        result = _try_decode(images, row, config)
        if isinstance(result, str):
            return result
        pixels[row] = result
        return ""

    reasons = in_threads(decode_row, len(images))
    return pixels, {row: why for row, why in enumerate(reasons) if why}


def open_cache(
    images: Images,
    ids: Sequence[int] | np.ndarray,
    config: ImageConfig,
    strict: bool,
    advice: str = "replace them",
    chunk: int = 512,
) -> ImageCache:
    """Decode the galaxies' images, or open what an earlier call decoded.

    Args:
        images: among which those are.
        ids: (image,) the order of the result.
        config: crop and size.
        strict: whether an image that does not decode is an error; otherwise it is black and marked.
        advice: advice in that error's message.
        chunk: images decoded at a time.
    """
    ids = np.asarray(ids, dtype=np.int64)
    if not len(ids):  # a memory map cannot be empty
        nothing = np.empty((0, config.cache_px, config.cache_px, 3), np.uint8)
        return ImageCache(ids, nothing, np.empty(0, bool))
    images = images.select(ids)
    array = paths.cache_dir() / f"{_digest(images, config)}.npy"
    cache = _open_whole(array, ids)
    if cache is None:
        with files.hold_lock(array.with_suffix(".lock"), f"decoding {paths.shown(images.path)}"):
            cache = _open_whole(array, ids)
            if cache is None:
                if _manifest(array).is_finished:
                    ProgressBar.write(f"{paths.shown(array)} is damaged; decoding the images again")
                problems = _fill(array, images, config, chunk)
                unreadable = {str(image_id): why for image_id, why in problems.items()}
                _manifest(array).finish([array.name], {"unreadable": unreadable})
                cache = _open_whole(array, ids)
    if cache is None:
        raise InputError(f"{paths.shown(array)} changed while it was written: rerun the command")
    if strict and cache.problems:
        raise InputError(describe_bad(images, cache, advice))
    return cache


def describe_bad(images: Images, cache: ImageCache, advice: str) -> str:
    """Describe in one line how many images of a cache cannot be used, the first ones, and why.

    They stand at the end, where a line that gets too long is cut off.
    """
    names: dict[str, list[str]] = {}
    for galaxy_id, why in list(cache.problems.items())[:LISTED]:
        names.setdefault(why, []).append(images.names[galaxy_id])
    listed = "; ".join(f"{', '.join(of)}: {why}" for why, of in names.items())
    more = ""
    if cache.notes and len(cache.problems) > LISTED:
        more = f"; all are listed in {paths.shown(cache.notes)}"
    count = f"{len(cache.problems)} of {len(cache.ids)} images cannot be used"
    return one_line(
        " ".join(f"{paths.shown(images.path)}: {count}: {advice}{more}; first: {listed}".split())
    )


def read_size(data: bytes) -> tuple[int, int]:
    """Read the size off an image's header; refuse what is no JPEG or PNG of a reasonable size.

    A PNG is checked to its end. Of a JPEG the header alone is read: it is checked as it is decoded.

    Args:
        data: the file's content; whatever stands behind the image's end is ignored.
    Returns:
        (height, width) in px.
    Raises:
        ValueError: empty, another type, cut off, damaged, or a side outside 1 to `MAX_SIDE` px.
    """
    if not data:
        raise ValueError("it is empty")
    if data.startswith(_JPEG):
        try:
            shape = jpeg.read_header(data)[:2]
        except ValueError as error:
            raise ValueError(f"its JPEG header is truncated or damaged ({error})") from None
    elif data.startswith(_PNG):
        shape = _check_png(data)
    else:
        raise ValueError("it is neither JPEG nor PNG")
    _check_shape(shape)
    return shape


def _check_shape(shape: tuple[int, ...]) -> None:
    if min(shape) < 1 or max(shape) > MAX_SIDE:
        raise ValueError(f"its size {shape[1]} × {shape[0]} px is outside 1 to {MAX_SIDE}")


def _manifest(array: Path) -> Artifact:
    """A cache's array, whose notes say why some of its images are black."""
    return Artifact(array.with_suffix(".json"), {}, "run again")


def _open_whole(array: Path, ids: np.ndarray) -> ImageCache | None:
    """The cache; None where it is missing, unfinished or damaged."""
    manifest = _manifest(array)
    if not manifest.is_finished:
        return None
    try:
        problems = {int(key): why for key, why in manifest.notes["unreadable"].items()}
        key = array, array.stat().st_mtime_ns
        if key not in _checked:
            manifest.path(array.name)
            _checked.add(key)
    except (InputError, FileNotFoundError):
        return None
    images = np.load(array, mmap_mode="r")
    unreadable = np.isin(ids, list(problems))
    return ImageCache(ids, images, unreadable, problems, manifest.mark)


def _fill(array: Path, images: Images, config: ImageConfig, chunk: int) -> dict[int, str]:
    """Decode into an array; returns why images are unreadable, by id.

    It is written as a file, not through a memory map: on a full disk the system kills a process
    that writes to one.
    """
    shape, problems = (config.cache_px, config.cache_px, 3), dict[int, str]()
    order = images.reading_order()
    with (
        files.writing(array) as temporary,
        open(temporary, "wb") as file,
        ProgressBar(total=len(images), desc=f"decoding {images.path.name}", unit="img") as bar,
    ):
        head = {"descr": "|u1", "fortran_order": False, "shape": (len(images), *shape)}
        np.lib.format.write_array_header_1_0(file, head)
        begin = file.tell()
        for start in range(0, len(images), chunk):
            rows = order[start : start + chunk]
            part = images.take(rows)
            pixels, unreadable = decode_many(part, config)
            problems |= {int(part.ids[row]): why for row, why in unreadable.items()}
            for row, image in zip(rows.tolist(), pixels, strict=True):
                file.seek(begin + row * image.size)
                file.write(image.data)
            bar.update(len(rows))
    return problems


def in_threads(work: Callable[[int], _Made], count: int) -> Iterator[_Made]:
    """Results of `work` on each number below `count`, in order; a thread takes 8 at a time."""
    parts = (range(count)[start : start + AT_ONCE] for start in range(0, count, AT_ONCE))
    return chain.from_iterable(_threads(os.getpid()).map(lambda part: [*map(work, part)], parts))


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Threads of a process that share memory: cv2 and zlib release the interpreter's lock.

    They are kept: each has a zip open, and reading its list of contents takes as long as decoding a
    thousand images.
    """
    return ThreadPoolExecutor(joblib.cpu_count(), "decoding")


def _try_decode(images: Images, row: int, config: ImageConfig) -> np.ndarray | str:
    """The decoded image, or why there is none.

    Errors that are not the image's fault are raised: a cache would keep such a reason for ever.

    Raises:
        UnavailableError: the system cannot read any file now.
        MemoryError: no memory is left to decode it.
    """
    try:
        return decode(images.load(row), config.crop_px, config.cache_px)
    except UnavailableError:
        raise
    except (ValueError, InputError, cv2.error) as error:
        if isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"decoding {images.names.iloc[row]}") from None
        return str(error).splitlines()[0]


def _digest(images: Images, config: ImageConfig) -> str:
    settings = (_VERSION, FORMAT, config.crop_px, config.cache_px, *_DECODERS)
    made = digest(map(repr, [settings, *images.identities()]))
    return f"{images.path.stem}_{config.crop_px}_{config.cache_px}_{made[:12]}"


def _decode_jpeg(data: bytes, reduce: int) -> np.ndarray:
    """(H / reduce, W / reduce, 3) uint8 RGB, sides rounded up."""
    try:
        pixels = jpeg.decode_jpeg(data, reduce)
    except ValueError as error:
        raise ValueError(f"it is truncated or damaged ({error})") from None
    return pixels if pixels.shape[2] == 3 else _decode_by_cv2(data, reduce)  # CMYK: checked, no RGB


def _decode_by_cv2(data: bytes, reduce: int) -> np.ndarray:
    """(H / reduce, W / reduce, 3) uint8 RGB."""
    return cv2.cvtColor(_imdecode(data, _REDUCED[reduce]), cv2.COLOR_BGR2RGB)


def _imdecode(data: bytes, flags: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError("it cannot be decoded: it is truncated or damaged")
    return image


def _has_alpha(png: bytes) -> bool:
    """Check for a channel of opacity, or levels or colors that are transparent (tRNS)."""
    return png[_COLOR_TYPE] in (4, 6) or 0 <= png.find(b"tRNS") < png.find(b"IDAT")


def _read_alpha(png: bytes) -> np.ndarray:
    """(H, W) uint8 opacity of a PNG that has some."""
    image = _imdecode(png, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:  # gray with a transparent level, which cv2 leaves out
        start, bits = png.find(b"tRNS") + 4, png[_COLOR_TYPE - 1]
        level = int.from_bytes(png[start : start + 2], "big")
        scale = 255 // (2**bits - 1) if bits < 8 else 1
        return np.where(image == level * scale, 0, 255).astype(np.uint8)
    if image.shape[2] < 4:  # its colors are not there
        return np.full(image.shape[:2], 255, np.uint8)
    return cv2.convertScaleAbs(image[..., 3], alpha=255 / np.iinfo(image.dtype).max)


def _check_png(data: bytes) -> tuple[int, int]:
    """Follow the chunks and their checksums up to the last one (ISO 15948, 5.3)."""
    position = len(_PNG)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError("it is truncated or damaged (checksum of a PNG chunk)")
        if data[position + 4 : position + 8] == b"IEND":
            return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
        position = end + 4
    raise ValueError("it is truncated (no end of image)")
