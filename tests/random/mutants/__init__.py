"""Deliberate faults in the core, and what finds them.

A fault is a small edit of the core's source (`faults`), made in a temporary copy of the package that runs pure
(`tree`). Two things must notice it there:

- the simulator, within so many seeds (`test_simulated`; ``python -m tests.random.mutants`` counts them afresh);
- for a bug that another implementation really had, the tests that say in their docstring that they catch it
  (`test_named`, with the bugs of `rows`).

An edit names a function and code in it that stands there exactly once (`edit`), so that a fault whose place has moved
is an error and is never tried on an unchanged core.
"""
