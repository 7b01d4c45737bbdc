"""One process at a time: whoever comes second waits, then finds the work done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from galaxyzoo import atomic

NAME = ".lock"


@contextmanager
def trying(path: Path) -> Iterator[bool]:
    """Hold a lock file where no other process does; yields whether it is held here.

    Args:
        path: the lock file; its folder is made.
    Raises:
        InputError: the file cannot be made.
    """
    lock, is_mine = FileLock(path), True
    with atomic.explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            is_mine = False
    try:
        yield is_mine
    finally:
        lock.release()


@contextmanager
def holding(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file, waiting with a word where another process holds it.

    The system frees the lock of a process that died, in whatever way, so none is ever left behind;
    the empty file that stays means nothing.

    Args:
        path: the lock file; its folder is made.
        what: what the holder does, as in "another process is …".
    Raises:
        InputError: the file cannot be made.
    """
    lock = FileLock(path)
    with atomic.explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tqdm.write(f"another process is {what}; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
