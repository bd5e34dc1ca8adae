# problem: sum

a, b = open('/dev/stdin').read().split()
print(int(a) + int(b))
