# problem: sum

def adder():
    total = 0
    while True:
        total += yield total

g = adder()
next(g)
for word in input().split():
    last = g.send(int(word))
print(last)
