"""Predicates on hard states and snapshots: what must be synced, and what is empty.

The pure twin of ``hardstate.pyx``; the two agree in everything, errors included.
"""

from ..wire.messages import HardState, Snapshot


def must_sync(st: HardState | None, prev: HardState | None, entsnum: int) -> bool:
    """Whether a Ready must be on disk before its messages are sent (etcd's ``MustSync``, paper figure 2).

    ``st`` is the new hard state and ``prev`` the one before (None: all zero); ``entsnum`` is the number of new entries.
    A change of the commit index alone needs no sync: a node that loses it learns it again from the leader. Raises
    TypeError if ``st`` or ``prev`` is neither a HardState nor None.
    """
    new = _checked(st)
    old = _checked(prev)
    return entsnum != 0 or new.vote != old.vote or new.term != old.term


def is_hard_state_equal(a: HardState | None, b: HardState | None) -> bool:
    """Whether two hard states have the same term, vote and commit index (etcd's ``isHardStateEqual``).

    None counts as all zero. Raises TypeError for anything else that is not a HardState.
    """
    x = _checked(a)
    y = _checked(b)
    return x.term == y.term and x.vote == y.vote and x.commit == y.commit


def is_empty_hard_state(st: HardState | None) -> bool:
    """Whether a hard state is None or all zero (etcd's ``IsEmptyHardState``). Raises TypeError for anything else."""
    x = _checked(st)
    return x.term == 0 and x.vote == 0 and x.commit == 0


def is_empty_snap(sp: Snapshot | None) -> bool:
    """Whether a snapshot is None or has index 0 (etcd's ``IsEmptySnap``). Raises TypeError for anything else."""
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
