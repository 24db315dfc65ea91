"""What is wrong with a request by itself, before it is proposed (signatures only, for now)."""

from . import schema

MAX_TXN_OPS = 128
MAX_REQUEST_BYTES = 1536 * 1024


def check_range(request: schema.RangeRequest) -> None:
    """Refused if etcd refuses the request whatever the store has. The same for the others."""
    raise NotImplementedError


def check_range_stream(request: schema.RangeRequest) -> None:
    raise NotImplementedError


def check_put(request: schema.PutRequest) -> None:
    raise NotImplementedError


def check_delete_range(request: schema.DeleteRangeRequest) -> None:
    raise NotImplementedError


def check_txn(request: schema.TxnRequest, max_ops: int = MAX_TXN_OPS) -> None:
    raise NotImplementedError


def is_read_only(request: schema.TxnRequest) -> bool:
    """Whether a transaction can be answered without the log."""
    raise NotImplementedError


def is_serializable(request: schema.TxnRequest) -> bool:
    """Whether a read-only transaction can be answered from this member's state, however old it is."""
    raise NotImplementedError
