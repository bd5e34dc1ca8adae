"""Metamorphic suites of the math checker: harmless rewrites of a reference must verify, mutations must not.

`python -m benchmarks.metamorphic --references FILE` tries any file of reference answers; without a file it tries the
references that `references` makes. Nothing here shares code with the engine it tries.
"""
