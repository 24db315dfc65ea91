"""Creates blank wire values for the core and the codec, skipping the checks of ``__init__``.

A blank value holds every field's default and is still open: assign its fields and presence bits, then close it with
``immutable.freeze``. The compiled build inlines these functions from ``blank.pxd``; this module is not compiled.
"""

from typing import Any

from . import immutable, messages

_OpenEntry: Any = immutable.final_twin(messages.Entry)
_OpenMessage: Any = immutable.final_twin(messages.Message)
_OpenHardState: Any = immutable.final_twin(messages.HardState)
_OpenConfState: Any = immutable.final_twin(messages.ConfState)
_OpenMetadata: Any = immutable.final_twin(messages.SnapshotMetadata)
_OpenSnapshot: Any = immutable.final_twin(messages.Snapshot)
_new = object.__new__


def entry() -> messages.Entry:
    """Return an open Entry with no field present."""
    e: messages.Entry = _new(_OpenEntry)
    e._type = e.term = e.index = e._present = 0
    e.data = b""
    e._unknown = None
    return e


def message() -> messages.Message:
    """Return an open Message with no field present."""
    m: messages.Message = _new(_OpenMessage)
    m._type = m.to = m.from_ = m.term = m.log_term = m.index = m.commit = m.reject_hint = m.vote = m._present = 0
    m._entries = m._responses = m.snapshot = m._unknown = None
    m.reject = False
    m.context = b""
    return m


def hard_state() -> messages.HardState:
    """Return an open HardState with no field present."""
    h: messages.HardState = _new(_OpenHardState)
    h.term = h.vote = h.commit = h._present = 0
    h._unknown = None
    return h


def conf_state() -> messages.ConfState:
    """Return an open ConfState with no field present and four new, empty lists."""
    c: messages.ConfState = _new(_OpenConfState)
    c._voters = []
    c._learners = []
    c._voters_outgoing = []
    c._learners_next = []
    c.auto_leave = False
    c._present = 0
    c._unknown = None
    return c


def metadata() -> messages.SnapshotMetadata:
    """Return an open SnapshotMetadata with no field present."""
    d: messages.SnapshotMetadata = _new(_OpenMetadata)
    d.index = d.term = d._present = 0
    d._conf_state = d._unknown = None
    return d


def snapshot() -> messages.Snapshot:
    """Return an open Snapshot with no field present."""
    s: messages.Snapshot = _new(_OpenSnapshot)
    s.data = b""
    s._present = 0
    s._metadata = s._unknown = None
    return s
