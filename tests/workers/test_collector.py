"""The settings of the garbage collector in an actor's process, in a process of their own."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from workers.collector import NEW_OBJECTS, calm_collector

class Thing: pass

loaded = Thing(); loaded.me = loaded
calm_collector()
assert gc.get_freeze_count() > 1000 and gc.get_threshold()[0] == NEW_OBJECTS
alone = Thing(); told = weakref.ref(alone); del alone
assert told() is None, "what has no reference left is freed at once"
cycle = Thing(); cycle.me = cycle; told = weakref.ref(cycle); del cycle
kept = [[] for _ in range(NEW_OBJECTS + 1000)]
assert told() is None, "a cycle is freed in the end"
"""


def test_cycles_are_still_freed() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
