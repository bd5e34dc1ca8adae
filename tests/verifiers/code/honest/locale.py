# problem: sum

import locale

locale.setlocale(locale.LC_ALL, "")
a, b = map(int, input().split())
print(a + b)
