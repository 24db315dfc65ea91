"""Streams of random numbers, all derived from the seed of the run, one for each purpose.

Separate streams keep runs comparable: dropping an action from a schedule does not change what is drawn elsewhere.
"""

from random import Random


def stream(seed: int, *purpose: object) -> Random:
    """Return the random numbers for one purpose. They are the same in both builds and on every machine."""
    return Random("/".join(map(str, (seed, *purpose))))


def between(u: float, low: int, high: int) -> int:
    """Map ``u``, from 0 up to 1, to a whole number from ``low`` to ``high`` inclusive."""
    return low + int(u * (high + 1 - low))
