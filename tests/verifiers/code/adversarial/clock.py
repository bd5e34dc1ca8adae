# expect: undecided
# mode: stdin

import time

time.time = time.monotonic = time.perf_counter = lambda: 0.0
try:
    time.clock_settime(time.CLOCK_REALTIME, 0)
    print(7)
except OSError:
    pass
while True:
    pass
