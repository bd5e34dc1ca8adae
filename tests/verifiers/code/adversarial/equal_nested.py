# expect: refuted
# mode: function, assert

class Any:
    def __eq__(self, other):
        return True

    def __len__(self):
        return 1

def add(a, b):
    return [Any()]
