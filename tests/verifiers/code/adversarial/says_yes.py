# expect: refuted, undecided
# mode: assert-text

class Yes:
    def __getattr__(self, name):
        return lambda *args: True

def name(x):
    return Yes()
