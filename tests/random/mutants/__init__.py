"""Deliberate faults in the core, and the tests that find them.

A fault is a small edit of the core's source (`faults`). It is made in a temporary copy of the package that runs pure
(`tree`). Two kinds of tests must notice it there:

- the simulator, within a number of seeds (`test_simulated`; ``python -m tests.random.mutants`` counts them again);
- for a bug that another implementation really had, the tests whose docstrings claim to catch it (`test_named`, with the
  bugs of `rows`).

An edit names a function, and code that this function has exactly once (`edit`). If the place has moved, the edit raises
an error, so a fault is never tried on an unchanged core.
"""
