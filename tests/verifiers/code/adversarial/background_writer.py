# expect: refuted
# mode: stdin
# its parent has ended, so it is dead before it can answer

import os, time

if os.fork():
    os._exit(0)
time.sleep(0.3)
a, b = map(int, input().split())
print(a + b)
