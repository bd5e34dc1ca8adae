# expect: undecided, refuted
# mode: stdin

import os

while True:
    try:
        os.fork()
    except OSError:
        pass
