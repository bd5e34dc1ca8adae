# expect: refuted
# mode: stdin
# right for the first test only

print(7)
