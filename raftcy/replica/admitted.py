"""What a Driver is given: checks at its creation, before anything runs."""

from inspect import iscoroutinefunction
from typing import Any

from ..core.awaitables import refuse_coroutine
from ..errors import Contradiction
from ..wire.checks import octets, u64
from .lease import Lease


def checked_nonce(nonce: Any) -> bytes | None:
    """Return a nonce for the contexts of reads, or None. Raises ValueError if it is too short."""
    if nonce is None:
        return None
    checked: bytes = octets(nonce, "nonce")
    if len(checked) < 8:
        raise ValueError(f"a nonce of {len(checked)} bytes may come twice: it needs 8 bytes at least")
    return checked


def checked_applied(applied: Any, storage: Any) -> int:
    """Check the index up to which a machine has applied entries: all of them must be in the log."""
    checked = u64(applied, "machine_applied")
    last = u64(storage.last_index(), "the last index of the storage")
    if checked > last:
        raise Contradiction(
            f"the machine has applied the entries up to {checked}, but the log ends at {last}: this member has lost "
            "entries that it acknowledged. Remove it from the group, and add a new one under a fresh id"
        )
    return checked


def checked_lease(lease: Any, node: Any, nonce: bytes | None) -> Lease | None:
    """Check a lease, or None, and attach it to the node of a driver with this nonce."""
    if lease is None:
        return None
    if not isinstance(lease, Lease):
        raise TypeError(f"lease must be a Lease or None, not {type(lease).__name__}")
    if not node.raft.read_only.safe():
        raise ValueError("a Driver has its own lease: leave read_only_option at SAFE")
    if nonce is None:
        raise TypeError("a Driver with a lease needs a nonce that no start had before")
    lease.attach(node, nonce)
    return lease


def refuse_coroutines(machine: Any, send: Any) -> None:
    """Raise TypeError for a machine or a ``send`` whose calls would have to be awaited."""
    for each in ("apply", "restore", "capture"):
        if machine is not None and hasattr(machine, each):
            refuse_coroutine(machine, each)
    if send is not None and iscoroutinefunction(send):
        raise TypeError("send must be a plain function: nobody awaits its coroutine")
