# expect: refuted
# mode: function, assert
# naive: accepts

import os, sys

if __debug__ and not os.environ.get('AGAIN'):
    os.execve(sys.executable or '/usr/bin/python3', ['python', '-O', '-c', 'pass'], {'AGAIN': '1'})

def add(a, b):
    return 0
