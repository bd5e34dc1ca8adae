# problem: sum

import tempfile

a, b = map(int, input().split())
with tempfile.NamedTemporaryFile('w+') as f:
    f.write(str(a + b))
    f.seek(0)
    print(f.read())
