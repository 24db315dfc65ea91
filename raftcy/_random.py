"""The random source that all nodes share unless their Config has another.

Sharing saves memory, since each ``random.Random`` takes 2.5 KiB. It draws from the operating system, as etcd's raft
does, and so keeps no state: any number of threads may use it, and a forked process does not repeat its parent's draws.
Nodes with the same draws would time out together and split the vote again and again.
"""

import random
from typing import Any, Final

__all__ = ["SHARED", "uses_default_randrange"]

SHARED: Final = random.SystemRandom()
"""``SHARED.randrange(n)`` returns a uniformly distributed number from 0 to n-1."""

_RANDRANGE: Final = random.Random.randrange


def uses_default_randrange(source: Any) -> bool:
    """Whether ``source`` is a ``random.Random`` with the standard ``randrange``.

    The core then draws by ``getrandbits``, in the way that ``randrange`` does, and gets the same numbers faster.
    """
    randrange = getattr(source.randrange, "__func__", None)
    return type(source) is random.Random and randrange is _RANDRANGE
