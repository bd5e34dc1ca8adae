# expect: refuted, undecided
# mode: function, assert

class ListNode:
    def __init__(self, val, next=None):
        self.val, self.next = val, next

def add(a, b):
    node = ListNode(1)
    node.next = node
    return node
