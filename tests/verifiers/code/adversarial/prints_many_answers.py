# expect: refuted
# mode: stdin

print(7)
print(2)
