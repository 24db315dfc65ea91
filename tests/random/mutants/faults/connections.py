"""Faults in the transport: silent connections, crowds, overlapping calls, addresses, failing receivers."""

from ..edit import Edit
from .fault import Fault

OUTGOING = "transport/outgoing.py"
INCOMING = "transport/incoming.py"
HANDOVER = "transport/handover.py"
TRANSPORT = "transport/transport.py"
ADDRESSES = "transport/addresses.py"
STREAMING = "transport/streaming.py"
INFLOW = "transport/inflow.py"
OUTCOME = "self._report(group, SnapshotStatus.FINISH if stored else SnapshotStatus.FAILURE)"
NO_SOCKETS = "the simulator carries messages itself"
PROGRESS = "acknowledged > self._acknowledged"
BEHIND = "not (self._ping_pending and acknowledged >= self._ping_at)"

FAULTS = [
    Fault(
        "silence_goes_on",
        "a connection over which nothing comes back counts as alive",
        (Edit(OUTGOING, "Outgoing._look", "not self._pulse.look()", "False"),),
        ("faults#F",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "acknowledgements_are_life",
        "what a peer's system acknowledges counts as life, though its process answers no ping",
        (Edit(OUTGOING, "Outgoing._look", f"{PROGRESS} and {BEHIND}", PROGRESS),),
        ("faults#F",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "only_pongs_are_life",
        "a slow connection is given up while a large message makes its way",
        (Edit(OUTGOING, "Outgoing._look", f"{PROGRESS} and {BEHIND}", "False"),),
        ("faults#F",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "break_unreported",
        "nobody hears of the messages that a broken connection may have lost",
        (Edit(OUTGOING, "Outgoing._drop_connection", "self._give_up()", ""),),
        ("faults#F",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "older_connection_kept",
        "a newer connection of a sender leaves its older ones open",
        (Edit(INCOMING, "Incoming._accept", "older.abort()", ""),),
        ("faults#G",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "replaced_without_asking",
        "another start replaces a connection that is alive",
        (Edit(INCOMING, "Incoming.greeted", "older.hello.nonce == hello.nonce", "True"),),
        ("faults#G",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "replaced_by_another_identity",
        "who has another identity replaces a member's connection",
        (Edit(INCOMING, "Incoming._judge", "identity and hello.identity != identity", "False"),),
        ("faults#G",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "crowd_of_strangers",
        "connections that say nothing fill every place",
        (
            Edit(INCOMING, "Incoming._make_room", "len(same) >= limits.unproved_of_address", "False"),
            Edit(INCOMING, "Incoming._make_room", "len(self._unproved) >= limits.unproved_connections", "False"),
        ),
        ("faults#G",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "silent_sender_kept",
        "a sender that vanished without a word keeps its connection",
        (Edit(INCOMING, "_Accepted.watch", "not self._pulse.look()", "False"),),
        ("faults#G",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "address_set_after_a_wait",
        "a change of address takes effect after a wait, in which a later one may come",
        (
            Edit(
                TRANSPORT,
                "Transport.set_peer",
                "self._set(id, addresses, identity)\nawait self._wait_ended()",
                "former = self._outgoing.pop(id, None)\nif former is not None:\n    self._stop(former)\n"
                "    await self._wait_ended()\nself._set(id, addresses, identity)",
            ),
        ),
        ("faults#H",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "change_returns_early",
        "a change of address returns before the former connection is gone",
        (Edit(TRANSPORT, "Transport.set_peer", "await self._wait_ended()", ""),),
        ("faults#H",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "closes_without_waiting",
        "close returns before its sockets and tasks are gone",
        (
            Edit(TRANSPORT, "Transport.close", "await self._incoming.wait_ended()", "", 1),
            Edit(TRANSPORT, "Transport.close", "await self._wait_ended()", ""),
            Edit(TRANSPORT, "Transport.close", "for _ in range(4):\n    await asyncio.sleep(0)", ""),
            Edit(TRANSPORT, "Transport.close", "await self._incoming.wait_ended()", ""),
        ),
        ("faults#H",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "own_id_taken",
        "a node takes its own id for a peer's",
        (Edit(ADDRESSES, "check_peer", "id == own", "False"),),
        ("faults#H",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "address_not_checked",
        "an address that nothing can connect to is taken",
        (Edit(ADDRESSES, "check_addresses", "_check(host, port)", ""),),
        ("faults#I",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "dead_task_unseen",
        "nobody hears what the task that connects has died of",
        (Edit(OUTGOING, "Outgoing._dialled", 'self.shared.failed(error, f"connecting to {self.peer:x}")', "pass"),),
        ("faults#I",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "look_up_is_fatal",
        "an error of a look-up that is no OSError ends the task that connects",
        (Edit(OUTGOING, "Outgoing._connect_on", "(OSError, UnicodeError, OverflowError)", "OSError"),),
        ("faults#I",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "refused_proposal_is_the_end",
        "after a proposal that the receiver refuses, no other is delivered",
        (Edit(HANDOVER, "Proposals._hand_on", "Stopped", "RaftError"),),
        ("faults#J",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "failing_receiver_unseen",
        "an exception of the receiver that nobody expected is forgotten",
        (
            Edit(HANDOVER, "Proposals._hand_on", 'self._shared.failed(error, "the receiver\'s step")', ""),
            Edit(HANDOVER, "Feed._lost", 'self._shared.failed(error, "the receiver")', "pass"),
        ),
        ("faults#J",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "panic_leaves_a_deaf_connection",
        "after an exception of the receiver that is no Exception, its connection stays and delivers nothing",
        (Edit(HANDOVER, "Feed._panicked", "self._connection.abort()", ""),),
        ("faults#J",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "stream_unreported",
        "nobody reports what became of a snapshot with a body",
        (Edit(STREAMING, "Streams._ended", OUTCOME, ""),),
        ("faults#K",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "stopped_stream_unreported",
        "at the end of a transport nobody reports the snapshots that were on their way",
        (Edit(STREAMING, "Streams.stop", "self._report(group, SnapshotStatus.FAILURE)", ""),),
        ("faults#K",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "replaced_stream_reported",
        "the end of a snapshot that a newer one has replaced passes for the end of the newer one",
        (Edit(STREAMING, "Streams._ended", "self._streams.get(group) is stream", "True"),),
        ("faults#K",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "stream_begins_anew",
        "after a break, a body is sent from its beginning on",
        (Edit(STREAMING, "_Stream._send", "at = link.held", "at = 0"),),
        ("faults#K",),
        unseen=NO_SOCKETS,
    ),
    Fault(
        "message_before_its_body",
        "a snapshot's message is delivered before its body is durable",
        (Edit(INFLOW, "Inflow._finish", "await self._sink.finish()", ""),),
        ("redisraft#43",),
        unseen=NO_SOCKETS,
    ),
]
