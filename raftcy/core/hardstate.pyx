"""Predicates on hard states and snapshots: what must be synced, and what is empty.

The compiled twin of ``hardstate.py``; the two agree in everything, errors included.
"""

from ..wire.messages cimport HardState, Snapshot, SnapshotMetadata


cpdef bint must_sync(object st, object prev, object entsnum) except -1:
    """Whether a Ready must be on disk before its messages are sent (etcd's ``MustSync``, paper figure 2).

    ``st`` is the new hard state and ``prev`` the one before (None: all zero); ``entsnum`` is the number of new entries.
    A change of the commit index alone needs no sync: a node that loses it learns it again from the leader. Raises
    TypeError if ``st`` or ``prev`` is neither a HardState nor None.
    """
    cdef HardState new = _checked(st)
    cdef HardState old = _checked(prev)
    return entsnum != 0 or new.vote != old.vote or new.term != old.term


cpdef bint is_hard_state_equal(object a, object b) except -1:
    """Whether two hard states have the same term, vote and commit index (etcd's ``isHardStateEqual``).

    None counts as all zero. Raises TypeError for anything else that is not a HardState.
    """
    cdef HardState x = _checked(a)
    cdef HardState y = _checked(b)
    return x.term == y.term and x.vote == y.vote and x.commit == y.commit


cpdef bint is_empty_hard_state(object st) except -1:
    """Whether a hard state is None or all zero (etcd's ``IsEmptyHardState``). Raises TypeError for anything else."""
    cdef HardState x = _checked(st)
    return x.term == 0 and x.vote == 0 and x.commit == 0


cpdef bint is_empty_snap(object sp) except -1:
    """Whether a snapshot is None or has index 0 (etcd's ``IsEmptySnap``). Raises TypeError for anything else."""
    cdef SnapshotMetadata metadata
    if sp is None:
        return True
    if type(sp) is not Snapshot:
        raise TypeError(f"expected Snapshot or None, not {type(sp).__name__}")
    metadata = (<Snapshot>sp)._metadata
    return metadata is None or metadata.index == 0


cdef HardState _EMPTY = HardState()


cdef HardState _checked(object st):
    if st is None:
        return _EMPTY
    if type(st) is not HardState:
        raise TypeError(f"expected HardState or None, not {type(st).__name__}")
    return <HardState>st
