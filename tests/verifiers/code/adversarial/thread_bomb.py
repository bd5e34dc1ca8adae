# expect: undecided, refuted
# mode: stdin

import threading, time

while True:
    try:
        threading.Thread(target=time.sleep, args=(60,)).start()
    except RuntimeError:
        pass
