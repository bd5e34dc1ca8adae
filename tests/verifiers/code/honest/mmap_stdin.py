# problem: sum

import mmap

print(sum(map(int, mmap.mmap(0, 0, prot=mmap.PROT_READ)[:].split())))
