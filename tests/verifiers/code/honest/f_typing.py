# problem: add

from typing import Optional

def add(a: int, b: Optional[int] = None) -> int:
    return a + (b or 0)
