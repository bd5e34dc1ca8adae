# expect: refuted
# mode: function, assert
# naive: accepts

import os, sys

def add(a, b):
    os.execv('/bin/true', ['true'])
