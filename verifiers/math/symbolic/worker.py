"""What the symbolic worker does: says of each pair of trees whether both are equal, differ, or neither is known.

"Equal" needs two witnesses: sympy's proof, and values that agree at random points (`numeric`). "Different" needs
disjoint balls, which are a proof by themselves; sympy's opinion never refutes. Whatever sympy raises counts as not
known. Time and memory are bounded from outside, by the pool.
"""

from __future__ import annotations

from verifiers.math.algebra.ball import UnsupportedError
from verifiers.math.symbolic.numeric import Agreement, agreement
from verifiers.math.symbolic.proof import proves_equal
from verifiers.math.symbolic.wire import unpack
from verifiers.types import Json


def judge_pair(payload: Json) -> Json:
    """Takes `{"pair": [a, b]}` and gives True (proven equal), False (proven different) or None."""
    a, b = (unpack(side) for side in payload["pair"])
    found = agreement(a, b)
    if found is Agreement.DIFFER:
        return False
    if found is Agreement.UNKNOWN:
        return None
    try:
        return True if proves_equal(a, b) else None
    except MemoryError:
        raise
    except (UnsupportedError, Exception):
        # Sympy raises errors of every kind on expressions that it was not made for.
        return None
