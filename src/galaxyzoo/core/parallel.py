"""Run calls in parallel processes, on this machine or a cluster.

Two threads of one process train small networks hardly faster than one does; two processes do.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import cv2
import joblib

from galaxyzoo.core import console, launch, paths
from galaxyzoo.core.errors import InputError

_THREADS = "OMP_NUM_THREADS"  # of each process
KILLED = "a process was killed (out of memory?)"
_DEATHS = "TerminatedWorkerError", "ActorDiedError", "KilledWorker"  # of loky, Ray, Dask
_RESTARTS = 3  # of a killed process by Ray, as by Dask; its call begins anew
_RAY_STORE_BYTES = 100_000_000  # all that passes through it are settings and catalogs


def run_jobs(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], jobs: int, backend: str = "loky"
) -> list[Any]:
    """Call a function with each tuple of arguments, `jobs` calls at a time.

    Processors are divided between the jobs, unless `OMP_NUM_THREADS` says how many threads each
    has; of several GPUs each job has one to itself. Where `RAY_ADDRESS` or `DASK_SCHEDULER_ADDRESS`
    names a cluster, it works there: its machines need this folder at the same place.

    Args:
        function: a module's function, so that another process finds it. Its output may be lost.
        calls: the arguments of each call; they must pickle.
        jobs: number of calls at a time.
        backend: of joblib, of `options.JobOptions`.
    Returns:
        The results in the order of the calls. The first InputError of a call, in their order, is
        raised when all have ended.
    """
    threads = int(os.environ.get(_THREADS) or max(1, joblib.cpu_count() // jobs))
    parent = os.getpid() if backend == "loky" else None
    call = partial(_call, function, threads, parent)
    with _environment(threads), _BACKENDS[backend](jobs) as run:
        try:
            results = run(call, calls)
        except Exception as error:
            if type(error).__name__ not in _DEATHS:
                raise
            raise InputError(
                f"{KILLED}: rerun the command to resume, with fewer --jobs if memory ran out"
            ) from None
    for result in results:
        if isinstance(result, InputError):
            raise result
    return results


def _call(
    function: Callable[..., Any], threads: int, parent: int | None, arguments: tuple[Any, ...]
) -> Any:
    """Call a function in the worker; return its result or its InputError.

    Returned, because backends wrap what is raised in exceptions of their own.
    """
    import torch  # here, and what imports it: processes that decode start in a third of the time

    from galaxyzoo.core import devices

    if parent not in (None, os.getpid()):  # one job alone is done in this process
        exit_with_parent(parent)
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    try:
        with devices.claim_gpu():
            return function(*arguments)
    except InputError as error:
        return error
    finally:
        sys.stdout.flush()  # else a log has these lines at the end of all, when the worker ends


@cache
def exit_with_parent(parent: int) -> None:
    """End this process when its parent ends, even by a kill.

    What is half done then is as after a kill: files are whole, and the same command goes on.
    Clusters do this themselves.
    """

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Environment of started processes: threads, our packages, no bars, which would overlap."""
    search_path = os.environ.get("PYTHONPATH", "")
    if not paths.INSTALLED:
        source = str(paths.CODE_ROOT / "src")
        search_path = f"{source}{os.pathsep}{search_path}" if search_path else source
    wanted = {_THREADS: str(threads), "TQDM_DISABLE": "1", "PYTHONPATH": search_path}
    before = {name: os.environ[name] for name in wanted if name in os.environ}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]
        os.environ.update(before)


def _by_joblib(call: Callable, calls: Sequence) -> list[Any]:
    return joblib.Parallel(batch_size=1)(joblib.delayed(call)(arguments) for arguments in calls)


@contextmanager
def _loky(jobs: int) -> Iterator[Callable]:
    """Processes of this machine; this process where a single one is asked for."""
    with joblib.parallel_config("loky", n_jobs=jobs):
        yield _by_joblib


@contextmanager
def _ray(jobs: int) -> Iterator[Callable]:
    """The Ray cluster of `RAY_ADDRESS`, else one of this machine while it is needed."""
    launch.require("--backend ray", "ray", option="--cluster")
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    cluster = os.environ.get("RAY_ADDRESS")
    if not cluster:
        settings |= {"num_cpus": jobs, "object_store_memory": _RAY_STORE_BYTES}
        settings["include_dashboard"] = False
    ray.init(address=cluster, **settings)
    try:
        gpus = ray.cluster_resources().get("GPU", 0)
        actor = {"max_restarts": _RESTARTS, "max_task_retries": _RESTARTS}
        if gpus:  # Ray hides all of them from whoever asked for none
            actor["num_gpus"] = min(1, gpus / jobs)
        with joblib.parallel_config("ray", n_jobs=jobs, ray_remote_args=actor):
            yield _by_joblib
    finally:
        ray.shutdown()


@contextmanager
def _dask(jobs: int) -> Iterator[Callable]:
    """The Dask cluster of `DASK_SCHEDULER_ADDRESS`, else one of this machine while it is needed.

    Without joblib 1.6.0, which waits forever for a call that Dask has given up.
    """
    launch.require("--backend dask", "distributed", option="--cluster")
    import distributed

    cluster = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if cluster:
        client = distributed.Client(cluster)
    else:
        client = distributed.Client(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
    with client:
        yield lambda call, calls: client.gather(client.map(call, calls, pure=False))


_BACKENDS = {"loky": _loky, "ray": _ray, "dask": _dask}
_SECONDS_BETWEEN_LOOKS = 1.0


@contextmanager
def progress_of_files(count: Callable[[], int], n: int, title: str, unit: str) -> Iterator[None]:
    """Show a progress bar of other processes' work, read from their files.

    Args:
        count: gives the number of units done; called in a thread, about once in a second.
        n: number of all units, those done before included.
        title: text before the bar.
        unit: name of a unit.
    """
    ended = threading.Event()
    with console.ProgressBar(total=n, initial=count(), desc=title, unit=unit, leave=False) as bar:

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
