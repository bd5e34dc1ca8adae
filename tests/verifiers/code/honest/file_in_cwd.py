# problem: sum

a, b = map(int, input().split())
with open('out.txt', 'w') as f:
    f.write(str(a + b))
print(open('out.txt').read())
