# problem: sum

import threading, time

a, b = map(int, input().split())

def later():
    time.sleep(0.1)
    print(a + b)

threading.Thread(target=later).start()
