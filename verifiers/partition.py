"""Puts answers that are proven equal into classes, in order. Pure: what equality is comes from the caller.

Promises: equal answers share a class, and answers that are proven different never do. What is undecided joins nothing.
A class that may be the same as a larger one has no vote: else the votes of one answer could stand on two sides.
Deterministic, given the order of the answers and what is known of each pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Relation = Callable[[int, int], bool | None]
"""Whether the answers at two positions are proven equal (True), proven different (False) or undecided (None)."""


class Relations(NamedTuple):
    """The classes of some answers, as what compares answers of one kind (verifiers.agreement.Engine) found them."""

    founders: list[int | None]
    """The position that names the class of each answer; None: the answer cannot be compared."""
    apart: list[tuple[int, int]]
    """Pairs of founders that are proven different."""


class Classes:
    """Classes of equal answers, each named by the first one that was found in it (its founder)."""

    __slots__ = ("_apart", "_root")

    def __init__(self) -> None:
        self._root: dict[int, int] = {}
        """Founder → the founder of the class that it was merged into, or itself."""
        self._apart: dict[int, int] = {}
        """Founder of a class → the founders of the classes that it is proven different from, one bit each: sets would
        take more memory than the answers themselves."""

    def __len__(self) -> int:
        return len(self._apart)

    def __contains__(self, founder: int) -> bool:
        return founder in self._root

    def founders(self) -> list[int]:
        """The names of all classes, ascending."""
        return sorted(self._apart)

    def root(self, founder: int) -> int:
        """The name that a class has now."""
        while (above := self._root[founder]) != founder:
            founder = above
        return founder

    def found(self, founder: int) -> None:
        """Opens a class, of which nothing is known yet."""
        if founder not in self._root:
            self._root[founder] = founder
            self._apart[founder] = 0

    def place(self, position: int, equal: Sequence[int], apart: Iterable[int]) -> int:
        """Puts an answer into the class of the first founder that it is proven equal to, or into one of its own.
        Returns that founder."""
        founder = equal[0] if equal else position
        self.found(founder)
        for other in equal[1:]:
            self.merge(founder, other)
        # What differs from an answer differs from all that is equal to it.
        for other in apart:
            self.part(founder, other)
        return founder

    def part(self, one: int, other: int) -> None:
        """Records that two classes are proven different."""
        one, other = self.root(one), self.root(other)
        if one != other:
            self._apart[one] |= 1 << other
            self._apart[other] |= 1 << one

    def are_apart(self, one: int, other: int) -> bool:
        return bool(self._apart[self.root(one)] >> self.root(other) & 1)

    def pairs_apart(self) -> list[tuple[int, int]]:
        """All pairs of classes that are proven different, the later one first."""
        names = self.founders()
        return [(one, other) for one in names for other in names if other < one and self._apart[one] >> other & 1]

    def merge(self, one: int, other: int) -> int:
        """Makes one class of two that are proven equal, and returns its name, the lower one. Classes that are proven
        different stay apart, whatever a third answer was found equal to."""
        one, other = sorted((self.root(one), self.root(other)))
        if one == other or self.are_apart(one, other):
            return one
        self._root[other] = one
        # What differs from one of two equal answers differs from the other.
        gone = self._apart.pop(other)
        for third in self._apart:
            if gone >> third & 1:
                self._apart[third] &= ~(1 << other)
                self.part(one, third)
        return one

    def voting(self, sizes: Sequence[tuple[int, int]]) -> list[int]:
        """The classes that have a vote, among (founder, number of answers): the largest, and every other one that is
        proven different from all larger voters. Of two equally large ones the first founder comes first."""
        chosen: list[int] = []
        mask = 0
        for founder, _ in sorted(sizes, key=lambda pair: (-pair[1], pair[0])):
            if not mask & ~self._apart[founder]:
                chosen.append(founder)
                mask |= 1 << founder
        return chosen


def partition(count: int, same: Relation) -> Relations:
    """The classes of `count` answers, in order. Answers are compared with the founders only, and one that is undecided
    against itself has no class."""
    classes = Classes()
    founder_of: list[int | None] = []
    for position in range(count):
        if same(position, position) is not True:
            founder_of.append(None)
            continue
        founders = classes.founders()
        found = [same(founder, position) for founder in founders]
        equal = [founder for founder, relation in zip(founders, found, strict=True) if relation]
        apart = [founder for founder, relation in zip(founders, found, strict=True) if relation is False]
        founder_of.append(classes.place(position, equal, apart))
    return Relations(
        [None if founder is None else classes.root(founder) for founder in founder_of], classes.pairs_apart()
    )
