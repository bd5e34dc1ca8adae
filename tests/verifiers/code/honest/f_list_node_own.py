# problem: list

class ListNode:
    def __init__(self, val=0, next=None):
        self.val = val
        self.next = next

class Solution:
    def reverse(self, head):
        values = []
        while head:
            values.append(head.val)
            head = head.next
        out = None
        for v in values:
            out = ListNode(v, out)
        return out
