"""Streams of random numbers, all from the seed of the run, one for each purpose.

A purpose has a stream of its own so that dropping an action from a schedule does not change what is drawn elsewhere.
"""

from random import Random


def stream(seed: int, *purpose: object) -> Random:
    """The random numbers of one purpose; the same in every build and on every machine."""
    return Random("/".join(map(str, (seed, *purpose))))


def between(u: float, low: int, high: int) -> int:
    """The whole number at ``u``, 0 up to 1, of the way from ``low`` to ``high``, both included."""
    return low + int(u * (high + 1 - low))
