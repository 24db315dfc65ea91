"""What requests cost against the bound of the store's size, by etcd's estimates.

Rules:

- The member that is asked compares its own size and the request's cost with its own bound, before the request enters
  the log. Members may have different bounds, so nothing that is applied depends on one.
- A member whose bound is reached raises the alarm NOSPACE through the log. While it stands, all members refuse what has
  a cost where it is applied: they agree, because the alarm is in the log.
- What has no cost goes on: reads, deletes, compactions, revocations. They make the space for which the alarm can be
  taken back.
"""

from typing import Any, Final

DEFAULT_QUOTA_BYTES: Final = 2 << 30
SUGGESTED_QUOTA_BYTES_MAX: Final = 8 << 30
"""A larger bound gets a warning."""
BASE_BYTES: Final = 4096
"""What an empty store counts: clients divide by the size."""
LEASE_COST: Final = 64
_KEY_COST: Final = 256


def cost_of_put(request: Any) -> int:
    """The cost of a PutRequest in bytes."""
    return _KEY_COST + len(request.key) + len(request.value)


def cost_of_txn(request: Any) -> int:
    """The cost of a TxnRequest: that of its dearer branch, taken or not; 0 if neither puts anything."""
    if not request.success and not request.failure:
        return 0
    return max(sum(map(_cost_of_op, request.success)), sum(map(_cost_of_op, request.failure)))


def _cost_of_op(op: Any) -> int:
    kind = op.WhichOneof("request")
    if kind == "request_put":
        return cost_of_put(op.request_put)
    return cost_of_txn(op.request_txn) if kind == "request_txn" else 0
