# problem: add

def add(a: int, b: int) -> List[int]:
    return a + b
