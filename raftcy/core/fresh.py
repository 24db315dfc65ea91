"""Creates values of ``ready`` for the core, skipping the checks of ``__init__``, as ``wire.blank`` does for the wire.

The compiled build inlines these functions from ``fresh.pxd``; this module is not compiled.
"""

from typing import Any

from ..wire import immutable
from .ready import ReadState, Ready, SoftState

_OpenSoftState: Any = immutable.final_twin(SoftState)
_OpenReadState: Any = immutable.final_twin(ReadState)
_OpenReady: Any = immutable.final_twin(Ready)
_new = object.__new__


def soft_state(lead: int, raft_state: int) -> SoftState:
    """Return a SoftState of numbers that are known to be valid."""
    s: SoftState = _new(_OpenSoftState)
    s.lead = lead
    s._raft_state = raft_state
    immutable.freeze(s)
    return s


def read_state(index: int, request_ctx: bytes) -> ReadState:
    """Return a ReadState of values that are known to be valid."""
    s: ReadState = _new(_OpenReadState)
    s.index = index
    s.request_ctx = request_ctx
    immutable.freeze(s)
    return s


def ready() -> Ready:
    """Return an open, empty Ready."""
    rd: Ready = _new(_OpenReady)
    rd.soft_state = rd.hard_state = rd.snapshot = None
    rd._read_states = rd._entries = rd._committed_entries = rd._messages = None
    rd.must_sync = False
    return rd
