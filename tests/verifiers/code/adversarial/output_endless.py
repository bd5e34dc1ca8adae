# expect: undecided
# mode: stdin

while True:
    print('7' * 1000)
