# problem: sum

import threading

a, b = map(int, input().split())
results = []
threads = [threading.Thread(target=results.append, args=(x,)) for x in (a, b)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(sum(results))
