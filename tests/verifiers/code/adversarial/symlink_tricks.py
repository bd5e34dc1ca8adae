# expect: refuted
# mode: stdin

import os

for target in ('/etc/shadow', '/root', '/proc/1/root/etc/passwd', '/host/etc/passwd', '../../../../etc/hostname'):
    os.symlink(target, '/tmp/link')
    try:
        print(open('/tmp/link').read())
        print(7)
    except OSError:
        pass
    os.unlink('/tmp/link')
os.symlink('/proofmill_leak', '/tmp/out')
try:
    open('/tmp/out', 'w').write('1')
    print(7)
except OSError:
    pass
