# problem: sum

a, b = open(0).read().split()
print(int(a) + int(b))
