"""Faults in changes of members: identities, removed ids, learners, and changes into a dead end."""

from ..edit import Edit
from .fault import Fault

REGISTRY = "replica/registry.py"
RECONCILE = "replica/reconcile.py"
REGISTRAR = "replica/registrar.py"
MEMBERCHANGES = "replica/memberchanges.py"
HERD = "replica/herd.py"
HOST = "replica/host.py"
REPLICA = "replica/replica.py"
TRANSPORT = "transport/transport.py"
DELIVERING = "replica/delivering.py"
NO_HOSTS = "the simulator's members have no registry"
WIPED = ("etcd#21178",)
CHANGES = ("redisraft#17",)
DELETED = ("tikv#14162",)

FAULTS = [
    Fault(
        "another_identity_enters",
        "a known id is taken by a directory with another identity",
        (
            Edit(
                REGISTRY,
                "Registry.objection",
                "found is not None and found.identity not in (0, arrival.identity)",
                "False",
            ),
        ),
        WIPED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "copied_directory_enters",
        "a copy of a member's directory enters under another id",
        (Edit(REGISTRY, "Registry.objection", "each.identity == arrival.identity and each.id != arrival.id", "False"),),
        WIPED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "removed_id_enters",
        "an id that was removed is taken again",
        (Edit(REGISTRY, "Registry.objection", "arrival.id in self.removed", "False"),),
        WIPED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "strangers_count",
        "votes and acknowledgements count from hosts that are not in the registry",
        (Edit(REPLICA, "Replica.receive", "not self._host.knows(messages[0].from_)", "False"),),
        WIPED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "former_identity_stays_connected",
        "a connection with a wrong identity stays open when the right one becomes known",
        (Edit(TRANSPORT, "Transport._set", "self._incoming.drop_other(peer, identity)", ""),),
        WIPED,
        unseen="the simulator carries messages itself",
    ),
    Fault(
        "refused_change_applied",
        "a change that the machine does not admit is applied",
        (Edit(DELIVERING, "Delivery.change", "self.refused_change is None", "True"),),
        WIPED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "removed_host_welcome",
        "a removed host is not told so",
        (Edit(REGISTRAR, "Registrar.policy", "hello.sender in self.registry.removed", "False"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "promoted_at_once",
        "a learner becomes a voter before it has the log",
        (Edit(RECONCILE, "Reconciler._promote", "id not in self._caught_up", "False"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "change_into_a_dead_end",
        "a change goes ahead though its voters have no active majority",
        (Edit(RECONCILE, "Reconciler.without_majority", "len(active) > len(voters) // 2", "True"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "leaders_to_go_hand_over_to_each_other",
        "a leader that is to go hands over to another one that is to go, although a third one stays",
        (Edit(RECONCILE, "Reconciler._not_to_be_leaders", "(stay or others)", "others"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "changes_overlap",
        "a change is proposed while another one is unapplied",
        (Edit(RECONCILE, "Reconciler.next_step", "members.voters_outgoing or view.pending", "False"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "groups_begin_apart",
        "a host begins a group with the voters that it knows, not with those of the group's record",
        (
            Edit(
                REGISTRY,
                "first_voters",
                "list(found.voters)",
                "[each.id for each in registry.hosts.values() if each.role == Role.VOTER]",
            ),
        ),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "time_of_a_newcomer_runs_twice",
        "a member that waits for its group gets a further seat, and further ticks, whenever the registry changes",
        (Edit(HERD, "Herd.add", "replica not in self._seats", "True"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "activity_from_before_the_sleep_counts",
        "a member counts as active because it was when its group fell asleep",
        (Edit(REGISTRAR, "Registrar._lead", "view.progress = {}", ""),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "only_member_of_a_group_removed",
        "a host leaves the cluster though the leader does not know whether a group still needs it",
        (Edit(REGISTRAR, "Registrar._going_last", "not replica.is_member", "False"),),
        CHANGES,
        profile="changing",
    ),
    Fault(
        "outgoing_host_forgotten_too_soon",
        "a host that a joint change removes is refused before the joint configuration ends",
        (Edit(REGISTRY, "Registry.changed", "found is not None and len(change.changes) > 1", "False"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "outgoing_host_stays",
        "a host that a joint change removes stays welcome when the joint configuration has ended",
        (Edit(REGISTRY, "Registry.changed", "each.role == Role.OUTGOING", "False"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "dead_replica_changes_members",
        "members change through a host whose replica has died",
        (Edit(MEMBERCHANGES, "MemberChanges._check_groups", "not isinstance(command, wishes.Update)", "False"),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "change_is_done_though_the_replica_died",
        "a call says that a change is done though the replica of the asked host has died meanwhile",
        (Edit(MEMBERCHANGES, "MemberChanges._change", "self._check_groups(command)", "", nth=3),),
        CHANGES,
        unseen=NO_HOSTS,
    ),
    Fault(
        "deleted_name_used_again",
        "a group gets the name and the id of a deleted one",
        (Edit(REGISTRY, "Registry._create", "id in self.deleted", "False"),),
        DELETED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "deleted_groups_forgotten",
        "a snapshot of the registry does not say which groups were deleted",
        (Edit(REGISTRY, "Registry.capture", "tuple(sorted(self.deleted.items()))", "()"),),
        DELETED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "deleted_group_goes_on",
        "the replica of a deleted group does not end",
        (Edit(HOST, "Host.drop_group", "replica is not None", "False", nth=1),),
        DELETED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "deleted_group_stays_on_disk",
        "the log keeps the entries and snapshots of a deleted group",
        (Edit(HOST, "Host.drop_group", "self._log.drop(group)", "True"),),
        DELETED,
        unseen=NO_HOSTS,
    ),
    Fault(
        "deletion_not_followed_without_a_replica",
        "a host drops a deleted group only if its program serves it",
        (Edit(HOST, "Host.drop_group", "self._log.drop(group)", "replica is not None and self._log.drop(group)"),),
        DELETED,
        unseen=NO_HOSTS,
    ),
]
