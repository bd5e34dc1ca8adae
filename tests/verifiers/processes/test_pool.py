"""The pool of killable workers: hangs, crashes and memory cost one call."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from verifiers.processes.pool import End, Pool, PoolError

BOMB = 10**8  # math.factorial of it runs for minutes inside one C call, deaf to signals handled in Python


@pytest.fixture
def pool():
    pool = Pool("math:factorial", num_workers=2)
    yield pool
    pool.close()


def call(pool, payload, wall_s=20.0, cpu_s=20.0, memory_mb=256):
    return pool.call(payload, wall_s=wall_s, cpu_s=cpu_s, memory_mb=memory_mb)


def test_returns_what_the_work_returns(pool):
    assert call(pool, 20).value == 2432902008176640000


def test_a_hang_inside_c_code_ends_at_the_wall_and_the_pool_goes_on(pool):
    assert call(pool, BOMB, wall_s=0.2).end is End.WALL
    assert call(pool, 5).value == 120


def test_a_worker_that_got_no_processor_is_told_from_one_that_worked(pool):
    assert not call(pool, BOMB, wall_s=30.0, cpu_s=0.2).starved
    sleeper = Pool("time:sleep")
    try:
        assert call(sleeper, 30, wall_s=0.2).starved
    finally:
        sleeper.close()


def test_the_cpu_limit_ends_a_worker_by_itself(pool):
    assert call(pool, BOMB, cpu_s=0.2).end is End.CPU
    assert call(pool, 5).value == 120


def test_memory_is_capped():
    pool = Pool("builtins:bytes")
    try:
        outcome = call(pool, 10**9, memory_mb=100)
        assert outcome.end is End.MEMORY
    finally:
        pool.close()


def test_an_exception_in_the_work_is_reported_not_raised(pool):
    outcome = call(pool, -1)
    assert outcome.end is End.RAISED
    assert "ValueError" in outcome.detail


def test_a_worker_that_kills_itself_is_a_crash():
    pool = Pool("os:abort_not_there")
    with pytest.raises(PoolError):
        call(pool, 1)
    pool.close()
    pool = Pool("os:_exit")
    try:
        assert call(pool, 3).end is End.CRASHED
        assert call(pool, 3).end is End.CRASHED
    finally:
        pool.close()


def test_many_threads_share_it(pool):
    with ThreadPoolExecutor(8) as executor:
        values = list(executor.map(lambda n: call(pool, n).value, range(200)))
    assert values[6] == 720 and len(values) == 200


def test_the_clock_starts_when_the_work_starts(pool):
    """Six calls that each take most of their limit, on two workers: the last ones wait three times as long."""
    sleeper = Pool("time:sleep", num_workers=2)
    try:
        with ThreadPoolExecutor(6) as executor:
            ends = list(executor.map(lambda _: call(sleeper, 0.4, wall_s=0.8).end, range(6)))
        assert ends == [End.DONE] * 6
    finally:
        sleeper.close()


def test_idle_workers_killed_from_elsewhere_are_replaced(pool):
    call(pool, 3)
    for worker in pool._idle:
        os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.05)
    assert call(pool, 4).value == 24


def test_a_fork_server_killed_from_elsewhere_is_replaced(pool):
    call(pool, 3)
    pool._fork_server.kill()
    pool._fork_server.wait()
    time.sleep(0.1)
    assert call(pool, 4).value == 24


def test_it_outlives_the_thread_that_opened_it():
    made = []

    def start():
        pool = Pool("math:factorial")
        call(pool, 3)
        made.append(pool)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.1)
    try:
        server = made[0]._fork_server
        assert call(made[0], 5).value == 120
        assert made[0]._fork_server is server
    finally:
        made[0].close()


def test_everything_dies_with_the_caller():
    code = (
        "from verifiers.processes.pool import Pool; import time\n"
        "pool = Pool('math:factorial'); pool.call(3, 5, 5, 100)\n"
        "print(pool._fork_server.pid, pool._idle[0].pid, flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root, text=True) as caller:
        pids = [int(pid) for pid in caller.stdout.readline().split()]
        caller.kill()
    deadline = time.monotonic() + 30
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "processes left behind"
        time.sleep(0.05)


def test_a_closed_pool_says_so(pool):
    call(pool, 3)
    pool.close()
    pool.close()
    with pytest.raises(PoolError, match="closed"):
        call(pool, 3)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
