"""Faults of the gateway of the etcd server, of its bound for the size, and of what it counts by."""

from ..edit import Edit
from .fault import Fault

ACCESS = "etcd/access.py"
CORE = "etcd/apicore.py"
GATEWAY = "etcd/gateway.py"
MACHINE = "etcd/etcdmachine.py"
QUOTA = "etcd/quota.py"
STREAM = "etcd/gateway_stream.py"
UNSEEN = "the simulator's members have no fronts and no bound"

FAULTS = [
    # -- pages in a browser
    Fault(
        "any_content_type_is_taken",
        "the gateway takes a POST of a type that a page may send without asking",
        (Edit(GATEWAY, "Gateway._answer", "_objection_to_type(request)", "None"),),
        ("etcd#9353",),
        unseen=UNSEEN,
    ),
    Fault(
        "any_host_is_taken",
        "the gateway answers requests for names that are not on the list",
        (
            Edit(
                ACCESS,
                "Access.objection",
                "self._hosts and not is_secure and host_name(host) not in self._hosts",
                "False",
            ),
        ),
        ("etcd#9372",),
        unseen=UNSEEN,
    ),
    Fault(
        "any_origin_is_taken",
        "the gateway answers pages of every origin",
        (
            Edit(
                ACCESS,
                "Access.objection",
                "origin is None or self.is_allowed(origin) or self._is_own_page(host, origin, is_secure)",
                "True",
            ),
        ),
        ("etcd#9372",),
        unseen=UNSEEN,
    ),
    # -- streams of the gateway
    Fault(
        "one_request_in_a_body",
        "the gateway gives the handler the first request of a body, and no other",
        (
            Edit(
                STREAM,
                "Exchange._read",
                "if self._stream.status is not None:\n    return",
                "return",
            ),
        ),
        ("etcd#8237",),
        unseen=UNSEEN,
    ),
    Fault(
        "bad_body_leaves_the_stream_hanging",
        "a body that is no request is dropped, and the client waits",
        (Edit(STREAM, "Exchange._read", "self._stream.cut(error.code, error.text)", "pass"),),
        ("etcd#19509",),
        unseen=UNSEEN,
    ),
    # -- space
    Fault(
        "alarm_for_space_stays",
        "requests are refused as long as the alarm had ever been raised",
        (Edit(MACHINE, "EtcdMachine._obey_alarms", "_NOSPACE in raised", "self.is_full or _NOSPACE in raised"),),
        ("etcd#17318",),
        unseen=UNSEEN,
    ),
    Fault(
        "deletes_need_space",
        "while the alarm stands, nothing can be deleted, so no space can be made",
        (
            Edit(
                MACHINE,
                "_takes_space",
                'name in ("put", "lease_grant")',
                'name in ("put", "lease_grant", "delete_range")',
            ),
        ),
        ("etcd#17318",),
        unseen=UNSEEN,
    ),
    Fault(
        "alarm_is_not_raised",
        "a member whose bound is reached refuses by itself, and the others go on",
        (
            Edit(
                CORE,
                "Core.no_space_for",
                "(self.host.id, schema.NOSPACE) in self.machine.alarms",
                "True",
            ),
        ),
        ("etcd#17318",),
        unseen=UNSEEN,
    ),
    # -- hashes
    Fault(
        "hash_of_the_history",
        "the hash of a revision is of what is kept before it too, which a compaction changes",
        (Edit("etcd/store.py", "Store.hash_kv", "view.bare()", "view.kept()"),),
        ("etcd#15919",),
        unseen=UNSEEN,
    ),
]
