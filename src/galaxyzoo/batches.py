"""Batches made ahead in threads while the network works."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")

# Batches prepared while the network works; their order and content do not depend on it.
_AHEAD = max(3, min(8, os.cpu_count() or 1))


def make_ahead(make: Callable[[int], Batch], count: int) -> Iterator[Batch]:
    """Batches 0 to count - 1 in order, made in threads (cv2 lets go of Python's lock).

    Args:
        make: makes a batch of its number, and depends on nothing else.
        count: how many.
    """
    with ThreadPoolExecutor(max_workers=_AHEAD) as pool:
        pending = [pool.submit(make, number) for number in range(min(_AHEAD, count))]
        for number in range(count):
            if number + _AHEAD < count:
                pending.append(pool.submit(make, number + _AHEAD))
            yield pending.pop(0).result()
