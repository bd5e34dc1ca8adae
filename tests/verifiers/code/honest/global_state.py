# problem: sum

total = 0

def read():
    global total
    for word in input().split():
        total += int(word)

read()
print(total)
