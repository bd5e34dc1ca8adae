# expect: refuted
# mode: function, assert
# naive: accepts

import os, threading, time

def leave():
    time.sleep(0.05)
    os._exit(0)

threading.Thread(target=leave, daemon=True).start()

def add(a, b):
    time.sleep(5)
