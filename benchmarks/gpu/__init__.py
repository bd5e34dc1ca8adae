"""The figures that only a GPU can give, in one command: `python -m benchmarks.gpu RESULTS` (see `__main__`)."""
