# expect: refuted
# mode: stdin, honest-import
# a later honest program must get the real modules

import os

for name in ('json', 'verifiers', 'heapq', 'sitecustomize', 'usercustomize'):
    with open(name + '.py', 'w') as f:
        f.write('print(7)')
print(0)
