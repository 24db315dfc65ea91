"""Faults where the core meets what others give it: arguments, answers, ids, objects that are not whole."""

from ..edit import Edit
from .fault import Fault

LOG = "core/log.py"
RAFT = "core/raft.py"
NODE = "node.py"
ONLY_GOOD = "the simulator gives and answers only what is allowed"
NO_NODE = "the simulator drives no asyncio Node"

FAULTS = [
    Fault(
        "half_made_objects",
        "an object can be seen before its `__init__` has run",
        (Edit("wire/whole.py", "keep_whole", "cls.__new__ = __new__\ncls.__init__ = _is_made", ""),),
        ("faults#E",),
        ONLY_GOOD,
    ),
    Fault(
        "owned_objects_are_copied",
        "a node, a driver and their parts can be copied and pickled",
        (Edit("wire/whole.py", "has_one_owner", "cls.__reduce__ = __reduce__", ""),),
        ("faults#O",),
        ONLY_GOOD,
    ),
    Fault(
        "storage_numbers_unchecked",
        "what a storage answers is taken for a number that can be",
        (
            Edit(
                LOG,
                "RaftLog._storage_first",
                'u64(self.storage.first_index(), "first_index()")',
                "self.storage.first_index()",
            ),
            Edit(LOG, "RaftLog._storage_first", "first == 0", "False"),
            Edit(LOG, "RaftLog.__init__", "last + 1 < first", "False"),
            Edit(
                LOG,
                "RaftLog._storage_last",
                'u64(self.storage.last_index(), "last_index()")',
                "self.storage.last_index()",
            ),
            Edit(LOG, "RaftLog._storage_last", "last == k.NO_LIMIT", "False"),
            Edit(LOG, "RaftLog._storage_term", 'u64(self.storage.term(index), "term()")', "self.storage.term(index)"),
            Edit(LOG, "RaftLog._storage_term", "term == k.NO_TERM", "False"),
        ),
        ("faults#D",),
        ONLY_GOOD,
    ),
    Fault(
        "random_numbers_unchecked",
        "what a random source answers is taken for a number in its range",
        (
            Edit(
                RAFT, "Raft._draw_timeout", 'u64(self._random.randrange(n), "randrange()")', "self._random.randrange(n)"
            ),
            Edit(RAFT, "Raft._draw_timeout", "answer >= n", "False"),
        ),
        ("faults#D",),
        ONLY_GOOD,
    ),
    Fault(
        "items_unchecked",
        "a list of groups, nodes or messages may hold anything",
        (
            Edit("replica/loopback.py", "_checked", "type(item) is not cls", "False"),
            Edit("replica/loopback.py", "Loopback.route", 'instances(messages, Message, "m")', "list(messages)"),
        ),
        ("faults#D",),
        ONLY_GOOD,
    ),
    Fault(
        "progress_without_a_window",
        "a copy of a Progress, which has no window, is used like one that has",
        (Edit("core/progress.py", "Progress.reset_state", "self.inflights is None", "False"),),
        ("faults#D",),
        ONLY_GOOD,
    ),
    Fault(
        "entries_not_asked_for",
        "whatever entries a storage answers are handed out",
        (Edit(LOG, "RaftLog._storage_entries", "_no_answer(found, lo, hi)", "None"),),
        ("faults#Y1",),
        ONLY_GOOD,
    ),
    Fault(
        "thread_id_in_a_proposal",
        "a change that makes a storage thread a member is proposed",
        (
            Edit(
                "core/vet.py",
                "vet_change",
                "is_local_msg_target(single.node_id) and single.type != ConfChangeType.REMOVE_NODE",
                "False",
            ),
        ),
        ("faults#T",),
        ONLY_GOOD,
    ),
    Fault(
        "thread_id_in_a_change",
        "a change that makes a storage thread a member is applied",
        (Edit("core/confchange.py", "_Draft.add", "is_local_msg_target(id)", "False"),),
        ("faults#T",),
        ONLY_GOOD,
    ),
    Fault(
        "thread_id_at_the_bootstrap",
        "a group begins with a storage thread as a member",
        (Edit("core/config.py", "Peer.__post_init__", "is_local_msg_target(self.id)", "False"),),
        ("faults#T",),
        ONLY_GOOD,
    ),
    Fault(
        "thread_id_in_a_snapshot",
        "a snapshot with a storage thread among its members is stored",
        (Edit("core/storage.py", "check_members", "is_local_msg_target(id)", "False"),),
        ("faults#T",),
        ONLY_GOOD,
    ),
    Fault(
        "coroutines_in_the_config",
        "coroutine functions are taken for methods of a storage or a logger",
        (Edit("core/config.py", "_must_have", "type(given) not in _PLAIN", "False"),),
        ("faults#U",),
        ONLY_GOOD,
    ),
    Fault(
        "coroutines_in_the_machine",
        "coroutine functions are taken for methods of a machine",
        (Edit("replica/admitted.py", "refuse_coroutines", "machine is not None and hasattr(machine, each)", "False"),),
        ("faults#U",),
        ONLY_GOOD,
    ),
    Fault(
        "snapshot_of_an_impossible_term",
        "a snapshot of a term that no entry there can have is taken",
        (Edit("core/vet.py", "_vet_snapshot", "metadata.term < least or metadata.term == 0", "False"),),
        ("faults#Y3",),
        ONLY_GOOD,
    ),
    Fault(
        "waiters_left_asleep",
        "proposals that wait behind one that meets no Exception are never answered",
        (Edit(NODE, "Node._step_waiting", "self._proposals |= waiting", ""),),
        ("faults#L",),
        NO_NODE,
    ),
    Fault(
        "closed_coroutine_stays_in_line",
        "a `ready()` that was closed takes the wake-up of the next one",
        (Edit(NODE, "Node._wait_in_line", "BaseException", "asyncio.CancelledError"),),
        ("faults#Y2",),
        NO_NODE,
    ),
    Fault(
        "imported_again_as_another",
        "an import after the modules left `sys.modules` makes classes anew",
        (Edit("_build.py", "_recall", "package is not None and sys.modules.get(_PACKAGE) is not package", "False"),),
        ("faults#N",),
        ONLY_GOOD,
    ),
    Fault(
        "errors_without_a_remedy",
        "an error with etcd's text does not say what to do",
        (Edit("errors.py", "RaftError.hinted", "if hint:\n    self.hint = hint", ""),),
        ("faults#Y4",),
        ONLY_GOOD,
    ),
]
