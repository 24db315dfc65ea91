"""Which path of the JSON gateway stands for which RPC. They are etcd 3.7's."""

_KV = "/etcdserverpb.KV/"
_LEASE = "/etcdserverpb.Lease/"
_CLUSTER = "/etcdserverpb.Cluster/"
_MAINTENANCE = "/etcdserverpb.Maintenance/"
_AUTH = "/etcdserverpb.Auth/"
_LOCK = "/v3lockpb.Lock/"
_ELECTION = "/v3electionpb.Election/"

PREFIX = "/v3/"
OLD_PREFIX = "/v3beta/"
"""What clients of etcd 3.3 send in place of the prefix. etcd 3.7 still takes it, but not the older ``/v3alpha/``."""

ROUTES = {
    "kv/range": _KV + "Range",
    "kv/put": _KV + "Put",
    "kv/deleterange": _KV + "DeleteRange",
    "kv/txn": _KV + "Txn",
    "kv/compaction": _KV + "Compact",
    "kv/lease/revoke": _LEASE + "LeaseRevoke",
    "kv/lease/timetolive": _LEASE + "LeaseTimeToLive",
    "kv/lease/leases": _LEASE + "LeaseLeases",
    "watch": "/etcdserverpb.Watch/Watch",
    "lease/grant": _LEASE + "LeaseGrant",
    "lease/revoke": _LEASE + "LeaseRevoke",
    "lease/keepalive": _LEASE + "LeaseKeepAlive",
    "lease/timetolive": _LEASE + "LeaseTimeToLive",
    "lease/leases": _LEASE + "LeaseLeases",
    "cluster/member/add": _CLUSTER + "MemberAdd",
    "cluster/member/remove": _CLUSTER + "MemberRemove",
    "cluster/member/update": _CLUSTER + "MemberUpdate",
    "cluster/member/list": _CLUSTER + "MemberList",
    "cluster/member/promote": _CLUSTER + "MemberPromote",
    "maintenance/alarm": _MAINTENANCE + "Alarm",
    "maintenance/status": _MAINTENANCE + "Status",
    "maintenance/defragment": _MAINTENANCE + "Defragment",
    "maintenance/hash": _MAINTENANCE + "Hash",
    "maintenance/hashkv": _MAINTENANCE + "HashKV",
    "maintenance/snapshot": _MAINTENANCE + "Snapshot",
    "maintenance/transfer-leadership": _MAINTENANCE + "MoveLeader",
    "maintenance/downgrade": _MAINTENANCE + "Downgrade",
    "auth/enable": _AUTH + "AuthEnable",
    "auth/disable": _AUTH + "AuthDisable",
    "auth/status": _AUTH + "AuthStatus",
    "auth/authenticate": _AUTH + "Authenticate",
    "auth/user/add": _AUTH + "UserAdd",
    "auth/user/get": _AUTH + "UserGet",
    "auth/user/list": _AUTH + "UserList",
    "auth/user/delete": _AUTH + "UserDelete",
    "auth/user/changepw": _AUTH + "UserChangePassword",
    "auth/user/grant": _AUTH + "UserGrantRole",
    "auth/user/revoke": _AUTH + "UserRevokeRole",
    "auth/role/add": _AUTH + "RoleAdd",
    "auth/role/get": _AUTH + "RoleGet",
    "auth/role/list": _AUTH + "RoleList",
    "auth/role/delete": _AUTH + "RoleDelete",
    "auth/role/grant": _AUTH + "RoleGrantPermission",
    "auth/role/revoke": _AUTH + "RoleRevokePermission",
    "lock/lock": _LOCK + "Lock",
    "lock/unlock": _LOCK + "Unlock",
    "election/campaign": _ELECTION + "Campaign",
    "election/proclaim": _ELECTION + "Proclaim",
    "election/leader": _ELECTION + "Leader",
    "election/observe": _ELECTION + "Observe",
    "election/resign": _ELECTION + "Resign",
}
"""RPCs by the path after the prefix. A route whose RPC nobody offers answers code 12, as gRPC does."""

HTTP_STATUS = {
    0: 200, 1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429,
    9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401,
}  # fmt: skip
"""The HTTP status of an answer by its gRPC code."""
