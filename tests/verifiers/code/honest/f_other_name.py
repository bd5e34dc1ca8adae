# problem: add
# accept_renamed: yes

def sum_two(a, b):
    return a + b
