"""Who does the jobs: processes here (loky), or the workers of a ray or dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ..errors import SettingError, unknown_name
from .fit import Done, describe, run_job
from .jobs import Job

__all__ = ["BACKENDS", "carry_out"]

BACKENDS = ("loky", "ray", "dask")
PATIENCE = 2
"""Times that workers may die without one job being finished, before jobs are done each in a process of its own."""


def carry_out(jobs: Sequence[Job], *, n_jobs: int, backend: str) -> Iterator[Done]:
    """Do jobs, in any order, and yield each as soon as it is done.

    A worker that dies takes only time with it: what it was at is done again. A job that kills every worker it meets, for
    want of memory perhaps, is done alone in the end, so that it becomes a row with an error and the others go on.

    Parameters
    ----------
    jobs : sequence of Job
        All different.
    n_jobs : int
        Workers; with one and loky, jobs are done in this process.
    backend : {"loky", "ray", "dask"}
        A ray or dask cluster is the one that ``RAY_ADDRESS`` or ``DASK_SCHEDULER_ADDRESS`` names; without, it is started on
        this machine.

    Yields
    ------
    Done

    Raises
    ------
    UnknownNameError
        If there is no such backend.
    SettingError
        If its package is not installed, or the number of jobs is not 1 or more.
    """
    if backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    if n_jobs < 1:
        raise SettingError(f"jobs is {n_jobs}; it must be 1 or more")
    if backend == "loky" and n_jobs == 1:
        yield from map(run_job, jobs)
        return
    left = {job.key: job for job in jobs}
    deaths = 0
    with _STARTED[backend](n_jobs) as do:
        while left and deaths < PATIENCE:
            deaths += 1
            try:
                for done in do(list(left.values())):
                    deaths = 0
                    del left[done.job.key]
                    yield done
            except Exception:
                # Errors of jobs are in their rows; what comes here is a worker's death, told in its backend's own words.
                continue
    for job in left.values():
        yield _alone(job)


Do = Callable[[Sequence[Job]], Iterator[Done]]


def _alone(job: Job) -> Done:
    """Do a job in a process of its own, whose death is the job's error."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        with ProcessPoolExecutor(1) as pool:
            done: Done = pool.submit(run_job, job).result()
            return done
    except BrokenProcessPool:
        why = "the process that did this died; perhaps there was too little memory"
        return Done(job, describe(job) | {"error": f"BrokenProcessPool: {why}"})


def _with_joblib(settings: dict[str, Any]) -> Do:
    from joblib import Parallel, delayed, parallel_config

    def do(jobs: Sequence[Job]) -> Iterator[Done]:
        with parallel_config(**settings):
            yield from Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")(
                delayed(run_job)(job) for job in jobs
            )

    return do


@contextmanager
def _loky(n_jobs: int) -> Iterator[Do]:
    yield _with_joblib({"backend": "loky", "n_jobs": n_jobs})


@contextmanager
def _dask(n_jobs: int) -> Iterator[Do]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise _missing("dask", error) from error
    do = _with_joblib({"backend": "dask"})
    if dask.config.get("scheduler-address", None):
        with Client():
            yield do
        return
    local = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": "ERROR"}
    with LocalCluster(n_workers=n_jobs, threads_per_worker=1, **local) as cluster, Client(cluster):
        yield do


@contextmanager
def _ray(n_jobs: int) -> Iterator[Do]:
    local = not os.environ.get("RAY_ADDRESS")
    if local:  # despite its name this decides, on Linux too, whether other machines can reach what ray starts
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # Ray's workers stand back for every other process; on a busy machine they would hardly get a turn.
        os.environ.setdefault("RAY_worker_niceness", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nor does it report to its makers
    try:
        import ray
    except ImportError as error:
        raise _missing("ray", error) from error
    if local:
        ray.init(num_cpus=n_jobs, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    else:
        ray.init(log_to_driver=False)

    # Ray's backend of joblib hands results over only when all are there, and rows must not wait for that.
    def do(jobs: Sequence[Job]) -> Iterator[Done]:
        work = ray.remote(run_job)
        running = [work.remote(job) for job in jobs]
        while running:
            finished, running = ray.wait(running, num_returns=1)
            yield ray.get(finished[0])

    try:
        yield do
    finally:
        ray.shutdown()


_STARTED: dict[str, Callable[[int], AbstractContextManager[Do]]] = {"loky": _loky, "ray": _ray, "dask": _dask}


def _missing(name: str, error: ImportError) -> SettingError:
    return SettingError(f"--backend {name} needs a package that is not installed ({error}); pip install 'myow[{name}]'")
