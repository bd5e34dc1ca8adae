# problem: in_place

def sort(items):
    items.sort()
