"""Requests applied to the store (signatures only, for now).

Answers are encoded once and without the header, which is the first field of every answer: ``header + body`` is the whole
message. An answer is `Applied`; a refusal is a `Refused` that is raised, before anything has changed.

Each function comes as a generator that yields between steps of a few milliseconds, and returns the answer. A request that
is known to be small has a plain twin.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from . import schema
from .items import Item
from .store import Store


class Applied(NamedTuple):
    """The answer to a request: the encoded message without its header, the revision for the header, and the events."""

    body: bytes
    revision: int
    events: Sequence[Item] = ()


def apply_put(store: Store, request: schema.PutRequest) -> Applied:
    raise NotImplementedError


def apply_delete_range(store: Store, request: schema.DeleteRangeRequest) -> Generator[None, None, Applied]:
    raise NotImplementedError


def apply_txn(store: Store, request: schema.TxnRequest) -> Generator[None, None, Applied]:
    raise NotImplementedError


def is_small(store: Store, request: schema.TxnRequest | schema.DeleteRangeRequest | schema.RangeRequest) -> bool:
    """Whether the request is done within a few milliseconds, so that `at_once` may run it."""
    raise NotImplementedError


def at_once(steps: Generator[None, None, Applied]) -> Applied:
    """Run all steps, and return the answer."""
    raise NotImplementedError


def read_range(store: Store, request: schema.RangeRequest) -> Generator[None, None, Applied]:
    """The answer to a Range, in steps at one revision."""
    raise NotImplementedError


def read_txn(store: Store, request: schema.TxnRequest) -> Generator[None, None, Applied]:
    """The answer to a transaction that `is_read_only`."""
    raise NotImplementedError


def delete_leased(store: Store, keys: Sequence[bytes]) -> Generator[None, None, Sequence[Item]]:
    """Delete the keys of a lease that has ended, in order, at one revision; returns the events."""
    raise NotImplementedError


def stream_range(store: Store, request: schema.RangeRequest, max_bytes: int) -> Generator[Applied | None, None, None]:
    """The answers to a RangeStream, each a RangeResponse without header; only the last one has a revision."""
    raise NotImplementedError
