# expect: refuted
# mode: function, assert
# expect_assert: undecided
# naive: accepts

class Number:
    def _self(self, *_):
        return self

    def _true(self, *_):
        return True

    __add__ = __sub__ = __rsub__ = __abs__ = __neg__ = __truediv__ = _self
    __lt__ = __gt__ = __le__ = __ge__ = __eq__ = __bool__ = _true
    __hash__ = object.__hash__

def add(a, b):
    return Number()
