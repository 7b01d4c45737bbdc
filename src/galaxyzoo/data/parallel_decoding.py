"""Decode many images at once: in threads, and in processes where that pays."""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from typing import TypeVar

import cv2
import joblib
import numpy as np

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core import prefetch
from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.data import decoding
from galaxyzoo.data.stores.base import Images

_Result = TypeVar("_Result")
AT_ONCE = 8  # images that a thread takes at a time
_MANY = 4096  # images for which starting processes pays


def decode_many(images: Images, config: ImageConfig) -> tuple[np.ndarray, dict[int, str]]:
    """Decode images into memory, in threads.

    Errors that are not an image's fault are raised: a cache would keep such a reason for ever.

    Returns:
        (image, cache_px, cache_px, 3) uint8, black where unreadable; and why, by row.
    Raises:
        UnavailableError: the system cannot read any file now.
        MemoryError: no memory is left to decode an image.
    """
    pixels = np.zeros((len(images), config.cache_px, config.cache_px, 3), np.uint8)

    def decode_row(row: int) -> str:
        """Explain why there is no image; empty where there is one."""
        try:
            pixels[row] = decoding.decode(images.load(row), config.crop_px, config.cache_px)
        except UnavailableError:
            raise
        except (ValueError, InputError, cv2.error) as error:
            if isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem:
                raise MemoryError(f"decoding {images.names.iloc[row]}") from None
            return str(error).splitlines()[0]
        return ""

    problems = {}
    for row, reason in enumerate(in_threads(decode_row, len(images))):
        if reason:
            problems[row] = reason
    return pixels, problems


def in_threads(work: Callable[[int], _Result], count: int) -> Iterator[_Result]:
    """Results of `work` on each number below `count`, in order; a thread takes 8 at a time."""

    def work_on(start: int) -> list[_Result]:
        return [work(number) for number in range(start, min(start + AT_ONCE, count))]

    return chain.from_iterable(_threads(os.getpid()).map(work_on, range(0, count, AT_ONCE)))


def count_processes(images: Images) -> int:
    """Choose how many processes decode images: none on few cores, or of few images.

    Files and members of zips are read anywhere; pieces of an array are read once, in this process.
    """
    if _cores() <= prefetch.THREADS_EACH or len(images) < _MANY or not images.by_name:
        return 0
    return math.ceil(_cores() / prefetch.THREADS_EACH)


def _cores() -> int:
    """Number of cores for decoding; one of several jobs has its share of the machine."""
    return min(joblib.cpu_count(), cv2.getNumThreads())


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Threads of a process that share memory: cv2 and zlib release the interpreter's lock.

    They are kept: each has a zip open, and reading its list of contents takes as long as decoding a
    thousand images.
    """
    return ThreadPoolExecutor(_cores(), "decoding")
