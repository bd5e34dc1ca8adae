# problem: sum

import sys, threading

sys.setrecursionlimit(10**6)
threading.stack_size(1 << 27)

def count(n):
    return 0 if n == 0 else 1 + count(n - 1)

def main():
    a, b = map(int, input().split())
    assert count(10**5) == 10**5
    print(a + b)

thread = threading.Thread(target=main)
thread.start()
thread.join()
