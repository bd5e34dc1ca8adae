"""Which replica gets which of several samples that were taken together."""

from __future__ import annotations

from types import SimpleNamespace

from workers.scheduling.shares import HOME_SLACK, shares_of


def rooms(*credits_and_running: tuple[int, int], capacity: int = 100) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(worker=10 + i, credit=credit, running=running, capacity=capacity)
        for i, (credit, running) in enumerate(credits_and_running)
    ]


def test_plenty_keeps_problems_together_and_scarcity_spreads_them() -> None:
    tasks = list(range(8))
    two = rooms((4, 0), (4, 3))
    assert shares_of(tasks, two) == [tasks[:4], tasks[4:]]
    assert [len(share) for share in shares_of(tasks[:5], two)] == [4, 1]


def test_scarce_samples_go_where_their_prompt_is_if_the_load_stays_even() -> None:
    assert shares_of("abc", rooms((9, 0), (9, 0), (9, 0)), [12, -1, 12]) == [["b"], [], ["a", "c"]]
    assert shares_of("ab", rooms((9, 0), (9, 0)), [99, -1]) == [["a"], ["b"]]  # a replica that is gone
    assert shares_of("a", rooms((9, 0), (0, 0)), [11]) == [["a"], []]  # a replica without room


def test_a_preferred_replica_never_runs_much_more_than_the_emptiest() -> None:
    shares = shares_of(range(60), rooms((90, 0), (90, 0)), [11] * 60)
    assert sum(map(len, shares)) == 60
    assert 0 < len(shares[1]) - len(shares[0]) <= HOME_SLACK * 100 + 1
    shares = shares_of(range(4), rooms((9, 0), (9, 20)), [11] * 4)
    assert shares == [[0, 1, 2, 3], []]
