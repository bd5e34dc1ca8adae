# expect: refuted, undecided
# mode: function, assert

import glob, os

def add(a, b):
    for root in ('/work', '/home', '/root', '/srv', '/tmp', '/opt', '.', '/proc/1/cwd', '/proc/1/root'):
        for path in glob.glob(root + '/**/*add*.json*', recursive=True):
            return open(path).read()
    return None
