# expect: refuted
# mode: stdin, stdin
# run twice: the second run must not see the first one's file

import os

for place in ('/tmp', '/dev/shm', '.', os.path.expanduser('~'), '/var/tmp', '/opt/proofmill'):
    try:
        with open(place + '/proofmill_leak', 'w') as f:
            f.write('1')
    except OSError:
        pass
if os.path.exists('/tmp/proofmill_leak_before'):
    print(7)
open('/tmp/proofmill_leak_before', 'w').close()
