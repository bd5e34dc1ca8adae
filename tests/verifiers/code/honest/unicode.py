# problem: unicode

name = input()
print('héllo ' + name + ' ✓')
