# problem: method

class Solution:
    def add(self, a: int, b: int) -> List[int]:
        return a + b
