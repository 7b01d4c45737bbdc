"""Make results ahead of their use, in threads or processes."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import islice
from typing import TypeVar

import cv2
from joblib.externals.loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.parallel import KILLED, exit_with_parent

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# Results made in advance; their order and content do not depend on the number.
_PREFETCHED = max(3, min(8, os.cpu_count() or 1))
THREADS_EACH = 4  # that decode in a process; more would wait for Python's lock


def prefetch(
    make: Callable[[_Item], _Result],
    items: Iterable[_Item],
    ahead: int = _PREFETCHED,
    processes: int = 0,
) -> Iterator[_Result]:
    """Results of items, in order, made in threads (cv2 releases Python's lock) or processes.

    Args:
        make: from an item to its result, depending on nothing else; its error is raised in its
            turn. Processes need a module's function, or a `partial` of one.
        items: taken one after another.
        ahead: results made while the one before them is used; at least two for each process.
        processes: they are kept for the next call; 0: as many threads as results ahead.
    Raises:
        InputError: a process was killed.
    """
    ahead = max(ahead, 2 * processes)
    remaining = iter(items)
    with _open_pool(processes, threads=ahead) as pool:
        pending: list[Future[_Result]] = []
        for item in islice(remaining, ahead):
            pending.append(pool.submit(make, item))
        try:
            while pending:
                for item in islice(remaining, 1):
                    pending.append(pool.submit(make, item))
                yield pending.pop(0).result()
        except TerminatedWorkerError:
            _start_processes.cache_clear()
            raise InputError(f"{KILLED}: rerun the command to resume") from None
        finally:
            for future in pending:  # of use to nobody after an error
                future.cancel()


def _open_pool(processes: int, threads: int) -> AbstractContextManager[Executor]:
    """Open a pool of threads, or, with processes, one of these, which its block does not end."""
    if processes:
        return nullcontext(_start_processes(os.getpid(), processes))
    return ThreadPoolExecutor(threads)


@cache
def _start_processes(parent: int, count: int) -> Executor:
    """Processes of this one, which end when they have nothing to do for a minute."""
    return ProcessPoolExecutor(count, timeout=60, initializer=_begin, initargs=(parent,))


def _begin(parent: int) -> None:
    """Begin a process that decodes: an interrupt is its parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(THREADS_EACH)
    exit_with_parent(parent)
