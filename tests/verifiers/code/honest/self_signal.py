# problem: sum

import signal

hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.02)
signal.pause()
a, b = map(int, input().split())
print(a + b)
