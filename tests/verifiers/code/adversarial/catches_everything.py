# expect: undecided
# mode: stdin

while True:
    try:
        while True:
            pass
    except BaseException:
        pass
