# problem: add

import numpy as np

def add(a, b):
    return np.int64(a) + np.int64(b)
