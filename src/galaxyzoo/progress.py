"""A bar of what other processes have done, read off what they leave."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

_SECONDS_BETWEEN_LOOKS = 1.0


@contextmanager
def watching(count: Callable[[], int], total: int, title: str, unit: str) -> Iterator[None]:
    """Show a bar as long as the context lasts.

    Args:
        count: how many of the units are done; called in a thread, about once in a second.
        total: of all, those that are done already included.
        title: before the bar.
        unit: of what is counted.
    """
    ended = threading.Event()
    with tqdm(total=total, initial=count(), desc=title, unit=unit, leave=False) as bar:

        def look() -> None:
            while not ended.wait(_SECONDS_BETWEEN_LOOKS):
                bar.update(count() - bar.n)

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
