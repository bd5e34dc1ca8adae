# problem: sum

from decimal import Decimal
from fractions import Fraction

a, b = input().split()
print(int(Decimal(a) + Decimal(b)) if Fraction(1, 2) else 0)
