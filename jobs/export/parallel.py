"""The worker processes of an export."""

from __future__ import annotations

import multiprocessing.connection
import os
import resource
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import pyarrow as pa

from jobs.errors import WorkerKilledError
from jobs.export.partition import MAX_BUCKETS
from runstore.reader import SampleFile

T = TypeVar("T")


def in_order(
    pool: Executor | None, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], window: int
) -> Iterator[T]:
    """Results in the order of `tasks`. At most `window` tasks are begun whose results are not yet taken."""
    if pool is None:
        for task in tasks:
            yield function(*task)
        return
    pending: deque[Future[T]] = deque()
    try:
        for task in tasks:
            if len(pending) >= window:
                yield pending.popleft().result()
            pending.append(pool.submit(function, *task))
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool:
        raise WorkerKilledError(
            "a worker process was killed, most likely for want of memory; fewer --processes or a smaller "
            "`work.bucket_mb` need less"
        )
    finally:
        for future in pending:
            future.cancel()


class worker_pool:
    """A pool of spawned processes, since fork and Arrow's threads do not mix; None for a single process."""

    def __init__(self, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = (
            ProcessPoolExecutor(processes, mp_context=context, initializer=prepare_worker) if processes > 1 else None
        )

    def __enter__(self) -> Executor | None:
        return self._pool

    def __exit__(self, *fault: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def prepare_worker() -> None:
    # There is one process per core already, so Arrow's own threads would only compete with it.
    pa.set_cpu_count(1)
    allow_open_files(MAX_BUCKETS + 64)
    threading.Thread(target=follow_parent, name="follow-parent", daemon=True).start()


def follow_parent() -> None:
    """Ends this process when its parent is gone.

    A pool's workers hold both ends of their task queue. So they never notice that their parent was killed, and would
    wait for its next task for ever.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def allow_open_files(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        limit = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def balanced(files: Sequence[SampleFile], shares: int) -> list[list[SampleFile]]:
    """`files` in `shares` lists of about the same size, largest first."""
    result: list[list[SampleFile]] = [[] for _ in range(shares)]
    sizes = [0] * shares
    for file in sorted(files, key=lambda one: (-one.num_bytes, one.uri, one.row_groups)):
        least = sizes.index(min(sizes))
        result[least].append(file)
        sizes[least] += file.num_bytes + 1
    return result
