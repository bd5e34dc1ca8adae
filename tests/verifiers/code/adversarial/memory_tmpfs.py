# expect: undecided, refuted
# mode: stdin

with open('/tmp/fill', 'wb') as f:
    while True:
        f.write(bytes(1 << 20))
