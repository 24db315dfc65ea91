"""The random source that nodes share unless they are given their own.

One object for all of them, since each ``random.Random`` holds 2.5 KiB. It draws from the operating system, as etcd's
raft does, so it keeps no state: any number of threads may use it, and a forked process does not repeat its parent's
draws.
"""

import random
from typing import Any, Final

__all__ = ["SHARED", "uses_default_randrange"]

SHARED: Final = random.SystemRandom()
"""Answers ``randrange(n)`` with a uniform number of 0 to n-1."""

_RANDRANGE: Final = random.Random.randrange


def uses_default_randrange(source: Any) -> bool:
    """Whether a source is a ``random.Random`` as it comes: its ``randrange`` makes known use of ``getrandbits``."""
    randrange = getattr(source.randrange, "__func__", None)
    return type(source) is random.Random and randrange is _RANDRANGE
