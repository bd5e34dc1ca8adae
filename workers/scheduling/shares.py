"""How samples that were taken together are shared out among the replicas that have room. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

HOME_SLACK = 0.125
"""How much more than the emptiest replica the preferred one may run and still get a sample, as a share of its room. At
the end of a run, where samples are scarce, an even load counts for more than a prompt that is in the cache."""


class Room(Protocol):
    """What is known of one replica."""

    worker: int
    credit: int
    running: int
    capacity: int


def shares_of(tasks: Sequence[T], rooms: Sequence[Room], homes: Sequence[int] = ()) -> list[list[T]]:
    """One share per replica, at most its credit; `tasks` fit into the sum of credits. `homes` has the number of the
    replica that each task prefers, or is empty.

    When tasks are plenty, consecutive samples of one problem go to one engine, where they share the KV blocks of its
    prompt. When tasks are scarce (the end of a run), they are spread over the least occupied engines, so that the run
    does not end with a single engine at work on a few sequences; a task whose preferred engine is about as empty as the
    others goes there.
    """
    shares: list[list[T]] = [[] for _ in rooms]
    if len(tasks) >= sum(room.credit for room in rooms):
        position = 0
        for share, room in zip(shares, rooms, strict=True):
            share += tasks[position : position + room.credit]
            position += room.credit
        return shares
    load = [room.running for room in rooms]
    places = {room.worker: i for i, room in enumerate(rooms)} if homes else {}
    for number, task in enumerate(tasks):
        fits = [i for i, room in enumerate(rooms) if len(shares[i]) < room.credit]
        i = min(fits, key=lambda i: load[i])
        home = places.get(homes[number]) if homes else None
        if home is not None and len(shares[home]) < rooms[home].credit:
            i = home if load[home] - load[i] < max(1.0, HOME_SLACK * rooms[home].capacity) else i
        shares[i].append(task)
        load[i] += 1
    return shares
