# expect: undecided, refuted
# mode: stdin

import os, signal

os.kill(os.getpid(), signal.SIGSTOP)
signal.pause()
