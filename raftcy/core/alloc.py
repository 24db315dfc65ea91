"""Blank values for the core and the codec, without the checks of ``__init__``.

A blank value is open: assign its fields and its presence bits, then ``sealing.seal`` it. Its fields are those of an
empty value. The compiled build has these functions inline (``alloc.pxd``); this module is not compiled.
"""

from typing import Any

from . import messages, sealing
from .ready import Ready

_OpenEntry: Any = sealing.final_twin(messages.Entry)
_OpenMessage: Any = sealing.final_twin(messages.Message)
_OpenHardState: Any = sealing.final_twin(messages.HardState)
_OpenConfState: Any = sealing.final_twin(messages.ConfState)
_OpenMetadata: Any = sealing.final_twin(messages.SnapshotMetadata)
_OpenSnapshot: Any = sealing.final_twin(messages.Snapshot)
_OpenSoftState: Any = sealing.final_twin(messages.SoftState)
_OpenReadState: Any = sealing.final_twin(messages.ReadState)
_OpenReady: Any = sealing.final_twin(Ready)
_new = object.__new__


def blank_entry() -> messages.Entry:
    """An open Entry in which nothing is present."""
    e: messages.Entry = _new(_OpenEntry)
    e._type = e.term = e.index = e._present = 0
    e.data = b""
    e._unknown = None
    return e


def blank_message() -> messages.Message:
    """An open Message in which nothing is present."""
    m: messages.Message = _new(_OpenMessage)
    m._type = m.to = m.from_ = m.term = m.log_term = m.index = m.commit = m.reject_hint = m.vote = m._present = 0
    m._entries = m._responses = m.snapshot = m._unknown = None
    m.reject = False
    m.context = b""
    return m


def blank_hard_state() -> messages.HardState:
    """An open HardState in which nothing is present."""
    h: messages.HardState = _new(_OpenHardState)
    h.term = h.vote = h.commit = h._present = 0
    h._unknown = None
    return h


def blank_conf_state() -> messages.ConfState:
    """An open ConfState in which nothing is present, with new lists."""
    c: messages.ConfState = _new(_OpenConfState)
    c._voters = []
    c._learners = []
    c._voters_outgoing = []
    c._learners_next = []
    c.auto_leave = False
    c._present = 0
    c._unknown = None
    return c


def blank_metadata() -> messages.SnapshotMetadata:
    """An open SnapshotMetadata in which nothing is present."""
    d: messages.SnapshotMetadata = _new(_OpenMetadata)
    d.index = d.term = d._present = 0
    d._conf_state = d._unknown = None
    return d


def blank_snapshot() -> messages.Snapshot:
    """An open Snapshot in which nothing is present."""
    s: messages.Snapshot = _new(_OpenSnapshot)
    s.data = b""
    s._present = 0
    s._metadata = s._unknown = None
    return s


def soft_state(lead: int, raft_state: int) -> messages.SoftState:
    """A SoftState of numbers that are known to be good."""
    s: messages.SoftState = _new(_OpenSoftState)
    s.lead = lead
    s._raft_state = raft_state
    sealing.seal(s)
    return s


def read_state(index: int, request_ctx: bytes) -> messages.ReadState:
    """A ReadState of values that are known to be good."""
    s: messages.ReadState = _new(_OpenReadState)
    s.index = index
    s.request_ctx = request_ctx
    sealing.seal(s)
    return s


def blank_ready() -> Ready:
    """An open Ready of nothing."""
    rd: Ready = _new(_OpenReady)
    rd.soft_state = rd.hard_state = rd.snapshot = None
    rd._read_states = rd._entries = rd._committed_entries = rd._messages = None
    rd.must_sync = False
    return rd
