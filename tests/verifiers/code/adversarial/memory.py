# expect: undecided
# mode: stdin

x = bytearray(10 << 30)
print(7)
