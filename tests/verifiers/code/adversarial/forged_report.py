# expect: refuted
# mode: function, assert
# naive: accepts

import json, os, struct

def add(a, b):
    for message in ({'passed': 5, 'calls': 5}, {'loaded': True}, {'value': {'$object': [0, 'x']}}):
        body = json.dumps(message).encode()
        for fd in range(3, 64):
            try:
                os.write(fd, struct.pack('=I', len(body)) + body)
            except OSError:
                pass
    os._exit(0)
