"""The drain of checks that the verifier actor and the service share."""

from __future__ import annotations

import threading
import time

from workers.actors.check_threads import CheckThreads


def wait_until(count: int, results: list[tuple[int, str]]) -> None:
    deadline = time.monotonic() + 30
    while len(results) < count and time.monotonic() < deadline:
        time.sleep(0.005)


def checked(item: int) -> str:
    if item % 7 == 3:
        raise ValueError(item)
    return f"checked {item}"


def failed(item: int, error: Exception, seconds: float) -> str:
    assert seconds >= 0
    return f"failed {item}: {error!r}"


def test_each_item_gives_one_result_and_a_raise_costs_its_own_only() -> None:
    threads: CheckThreads[int, str] = CheckThreads(3, checked, failed)
    results: list[tuple[int, str]] = []
    for start in range(0, 60, 20):
        threads.add(range(start, start + 20), lambda item, result: results.append((item, result)))
    wait_until(60, results)
    threads.close()
    wanted = [
        (item, f"failed {item}: ValueError({item})" if item % 7 == 3 else f"checked {item}") for item in range(60)
    ]
    assert sorted(results) == wanted


def test_as_many_as_there_are_threads_run_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=30)
    threads: CheckThreads[int, int] = CheckThreads(3, lambda item: meeting.wait() * 0 + item, lambda *_: -1)
    results: list[tuple[int, str]] = []
    threads.add(range(3), lambda item, result: results.append((item, str(result))))
    wait_until(3, results)
    threads.close()
    assert sorted(results) == [(0, "0"), (1, "1"), (2, "2")]


def test_what_is_not_wanted_any_more_is_dropped() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def check(item: int) -> str:
        begun.set()
        assert go_on.wait(30)
        return "checked"

    threads: CheckThreads[int, str] = CheckThreads(1, check, failed)
    results: list[tuple[int, str]] = []
    wanted = True
    threads.add([1, 2, 3], lambda item, result: results.append((item, result)), wanted=lambda: wanted)
    threads.add([4], lambda item, result: results.append((item, result)))
    assert begun.wait(30)
    wanted = False
    go_on.set()
    wait_until(2, results)
    threads.close()
    assert results == [(1, "checked"), (4, "checked")]
