"""The second opinion on math: sympy, in a killable process of its own, on trees that our reader built.

Sympy is imported in `build` and `proof` only, which the worker alone imports. No text ever reaches sympy: `build` turns
a tree into sympy objects node by node.
"""
