# expect: undecided
# mode: stdin

import sys, time

while True:
    sys.stdin.read()
    time.sleep(0.1)
