# expect: refuted
# mode: function, assert
# expect_assert: undecided
# naive: accepts

class Any:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __hash__(self):
        return 0

def add(a, b):
    return Any()
