# expect: refuted
# mode: function, assert
# expect_assert: undecided
# naive: accepts

class Chameleon:
    __class__ = int

    def __eq__(self, other):
        return True

    __hash__ = object.__hash__

def add(a, b):
    return Chameleon()
