"""Refusals have etcd's texts and codes."""

import pytest

from raftcy.etcd.refusals import TABLE, Refused, refused

pytestmark = pytest.mark.once


def test_there_are_63_texts() -> None:
    assert len(TABLE) == len({text for _, text in TABLE.values()}) == 63


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("EMPTY_KEY", 3, "etcdserver: key is not provided"),
        ("COMPACTED", 11, "etcdserver: mvcc: required revision has been compacted"),
        ("FUTURE_REVISION", 11, "etcdserver: mvcc: required revision is a future revision"),
        ("LEASE_NOT_FOUND", 5, "etcdserver: requested lease not found"),
        ("DUPLICATE_KEY", 3, "etcdserver: duplicate key given in txn request"),
        ("TIMEOUT", 14, "etcdserver: request timed out"),
        ("TOO_MANY_REQUESTS", 8, "etcdserver: too many requests"),
        ("AUTH_NOT_ENABLED", 9, "etcdserver: authentication is not enabled"),
        ("CORRUPT", 15, "etcdserver: corrupt cluster"),
        ("INVALID_AUTH_TOKEN", 16, "etcdserver: invalid auth token"),
        ("CONTEXT_DEADLINE", 4, "etcdserver: context deadline exceeded"),
    ],
)
def test_texts_and_codes(name: str, code: int, text: str) -> None:
    error = refused(name)
    assert (error.code, error.text, str(error)) == (code, text, text)
    assert error == Refused(code, text)
    assert hash(error) == hash(Refused(code, text))
    assert error != refused("STOPPED")


def test_a_fresh_error_each_time() -> None:
    """A kept one would collect tracebacks, and with them whatever their frames hold."""
    assert refused("STOPPED") is not refused("STOPPED")
    with pytest.raises(KeyError):
        refused("NOT_A_NAME")
