# problem: sum

import dataclasses, enum

@dataclasses.dataclass(order=True)
class P:
    x: int
    y: int

p = P(*map(int, input().split()))
print(p.x + p.y)
