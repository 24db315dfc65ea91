"""What etcd refuses, in its words: clients find their typed errors by the text of a status, then by its code.

Texts and codes are therefore exactly those of etcd's table. `Refused` carries one of them to the client.
"""

from typing import Final


class Refused(Exception):
    """A request that is refused, or whose outcome cannot be told: what the client gets in place of an answer.

    ``code`` is gRPC's code of the status, ``text`` its message.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refused) and (self.code, self.text) == (other.code, other.text)

    def __hash__(self) -> int:
        return hash((self.code, self.text))


CANCELLED: Final = 1
UNKNOWN: Final = 2
INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
NOT_FOUND: Final = 5
PERMISSION_DENIED: Final = 7
RESOURCE_EXHAUSTED: Final = 8
FAILED_PRECONDITION: Final = 9
OUT_OF_RANGE: Final = 11
UNIMPLEMENTED: Final = 12
UNAVAILABLE: Final = 14
DATA_LOSS: Final = 15
UNAUTHENTICATED: Final = 16

# The code and the text behind "etcdserver: " of each refusal, by a name for this package.
TABLE: Final[dict[str, tuple[int, str]]] = {
    "EMPTY_KEY": (INVALID_ARGUMENT, "key is not provided"),
    "KEY_NOT_FOUND": (INVALID_ARGUMENT, "key not found"),
    "VALUE_PROVIDED": (INVALID_ARGUMENT, "value is provided"),
    "LEASE_PROVIDED": (INVALID_ARGUMENT, "lease is provided"),
    "TOO_MANY_OPS": (INVALID_ARGUMENT, "too many operations in txn request"),
    "DUPLICATE_KEY": (INVALID_ARGUMENT, "duplicate key given in txn request"),
    "INVALID_CLIENT_API_VERSION": (INVALID_ARGUMENT, "invalid client api version"),
    "INVALID_SORT_OPTION": (INVALID_ARGUMENT, "invalid sort option"),
    "COMPACTED": (OUT_OF_RANGE, "mvcc: required revision has been compacted"),
    "FUTURE_REVISION": (OUT_OF_RANGE, "mvcc: required revision is a future revision"),
    "NO_SPACE": (RESOURCE_EXHAUSTED, "mvcc: database space exceeded"),
    "LEASE_NOT_FOUND": (NOT_FOUND, "requested lease not found"),
    "LEASE_EXISTS": (FAILED_PRECONDITION, "lease already exists"),
    "LEASE_TTL_TOO_LARGE": (OUT_OF_RANGE, "too large lease TTL"),
    "WATCH_CANCELED": (CANCELLED, "watch canceled"),
    "MEMBER_EXISTS": (FAILED_PRECONDITION, "member ID already exist"),
    "PEER_URL_EXISTS": (FAILED_PRECONDITION, "Peer URLs already exists"),
    "NOT_ENOUGH_STARTED": (FAILED_PRECONDITION, "re-configuration failed due to not enough started members"),
    "MEMBER_BAD_URLS": (INVALID_ARGUMENT, "given member URLs are invalid"),
    "MEMBER_NOT_FOUND": (NOT_FOUND, "member not found"),
    "MEMBER_NOT_LEARNER": (FAILED_PRECONDITION, "can only promote a learner member"),
    "LEARNER_NOT_READY": (FAILED_PRECONDITION, "can only promote a learner member which is in sync with leader"),
    "TOO_MANY_LEARNERS": (FAILED_PRECONDITION, "too many learner members in cluster"),
    "CLUSTER_ID_MISMATCH": (FAILED_PRECONDITION, "cluster ID mismatch"),
    "REQUEST_TOO_LARGE": (INVALID_ARGUMENT, "request is too large"),
    "TOO_MANY_REQUESTS": (RESOURCE_EXHAUSTED, "too many requests"),
    "ROOT_USER_NOT_EXIST": (FAILED_PRECONDITION, "root user does not exist"),
    "ROOT_ROLE_NOT_EXIST": (FAILED_PRECONDITION, "root user does not have root role"),
    "USER_EXISTS": (FAILED_PRECONDITION, "user name already exists"),
    "USER_EMPTY": (INVALID_ARGUMENT, "user name is empty"),
    "USER_NOT_FOUND": (FAILED_PRECONDITION, "user name not found"),
    "ROLE_EXISTS": (FAILED_PRECONDITION, "role name already exists"),
    "ROLE_NOT_FOUND": (FAILED_PRECONDITION, "role name not found"),
    "ROLE_EMPTY": (INVALID_ARGUMENT, "role name is empty"),
    "AUTH_FAILED": (INVALID_ARGUMENT, "authentication failed, invalid user ID or password"),
    "PERMISSION_NOT_GIVEN": (INVALID_ARGUMENT, "permission not given"),
    "PERMISSION_IS_DENIED": (PERMISSION_DENIED, "permission denied"),
    "ROLE_NOT_GRANTED": (FAILED_PRECONDITION, "role is not granted to the user"),
    "PERMISSION_NOT_GRANTED": (FAILED_PRECONDITION, "permission is not granted to the role"),
    "AUTH_NOT_ENABLED": (FAILED_PRECONDITION, "authentication is not enabled"),
    "INVALID_AUTH_TOKEN": (UNAUTHENTICATED, "invalid auth token"),
    "INVALID_AUTH_MANAGEMENT": (INVALID_ARGUMENT, "invalid auth management"),
    "AUTH_OLD_REVISION": (INVALID_ARGUMENT, "revision of auth store is old"),
    "NO_LEADER": (UNAVAILABLE, "no leader"),
    "NOT_LEADER": (FAILED_PRECONDITION, "not leader"),
    "LEADER_CHANGED": (UNAVAILABLE, "leader changed"),
    "NOT_CAPABLE": (FAILED_PRECONDITION, "not capable"),
    "STOPPED": (UNAVAILABLE, "server stopped"),
    "TIMEOUT": (UNAVAILABLE, "request timed out"),
    "TIMEOUT_LEADER_FAILED": (UNAVAILABLE, "request timed out, possibly due to previous leader failure"),
    "TIMEOUT_CONNECTION_LOST": (UNAVAILABLE, "request timed out, possibly due to connection lost"),
    "TIMEOUT_APPLIED_INDEX": (UNAVAILABLE, "request timed out, waiting for the applied index took too long"),
    "UNHEALTHY": (UNAVAILABLE, "unhealthy cluster"),
    "CORRUPT": (DATA_LOSS, "corrupt cluster"),
    "NOT_SUPPORTED_FOR_LEARNER": (FAILED_PRECONDITION, "rpc not supported for learner"),
    "BAD_LEADER_TRANSFEREE": (FAILED_PRECONDITION, "bad leader transferee"),
    "WRONG_DOWNGRADE_VERSION": (INVALID_ARGUMENT, "wrong downgrade target version format"),
    "INVALID_DOWNGRADE_VERSION": (INVALID_ARGUMENT, "invalid downgrade target version"),
    "CLUSTER_VERSION_UNAVAILABLE": (FAILED_PRECONDITION, "cluster version not found during downgrade"),
    "DOWNGRADE_IN_PROCESS": (FAILED_PRECONDITION, "cluster has a downgrade job in progress"),
    "NO_INFLIGHT_DOWNGRADE": (FAILED_PRECONDITION, "no inflight downgrade job"),
    "CANCELED": (CANCELLED, "request canceled"),
    "CONTEXT_DEADLINE": (DEADLINE_EXCEEDED, "context deadline exceeded"),
}


def refused(name: str) -> Refused:
    """Return a fresh error for a name of `TABLE`, to be raised or to become an answer; KeyError for any other name."""
    code, text = TABLE[name]
    return Refused(code, f"etcdserver: {text}")
