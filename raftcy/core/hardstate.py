"""Checks of hard state and snapshots: what must be synced, what is empty.

The plain twin of ``hardstate.pyx``; both sides agree in everything, errors included.
"""

from ..wire.messages import HardState, Snapshot


def must_sync(st: HardState | None, prev: HardState | None, entsnum: int) -> bool:
    """Whether a Ready must be on disk before its messages go out (etcd's ``MustSync``, paper figure 2).

    ``st`` the new hard state, ``prev`` the one before (None: all zero), ``entsnum`` the number of new entries. A
    change of the commit index alone needs no sync.
    """
    new = _checked(st)
    old = _checked(prev)
    return entsnum != 0 or new.vote != old.vote or new.term != old.term


def is_hard_state_equal(a: HardState | None, b: HardState | None) -> bool:
    """Whether two hard states have the same term, vote and commit (etcd's ``isHardStateEqual``); None is all zero."""
    x = _checked(a)
    y = _checked(b)
    return x.term == y.term and x.vote == y.vote and x.commit == y.commit


def is_empty_hard_state(st: HardState | None) -> bool:
    """Whether a hard state is None or all zero (etcd's ``IsEmptyHardState``)."""
    x = _checked(st)
    return x.term == 0 and x.vote == 0 and x.commit == 0


def is_empty_snap(sp: Snapshot | None) -> bool:
    """Whether a snapshot is None or of index 0 (etcd's ``IsEmptySnap``)."""
    if sp is not None and not isinstance(sp, Snapshot):
        raise TypeError(f"expected Snapshot or None, not {type(sp).__name__}")
    return sp is None or sp.metadata.index == 0


_EMPTY = HardState()


def _checked(st: HardState | None) -> HardState:
    if st is None:
        return _EMPTY
    if not isinstance(st, HardState):
        raise TypeError(f"expected HardState or None, not {type(st).__name__}")
    return st
