# expect: refuted
# mode: stdin

import socket

s = socket.socket(socket.AF_UNIX)
s.bind('\0proofmill_leak')
print(7)
