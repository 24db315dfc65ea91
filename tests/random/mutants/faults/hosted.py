"""Faults of hosts and replicas: forwarding, outcomes, sessions, identities, versions, and the log under power cuts.

The simulator finds them in its profiles of whole hosts.
"""

from ..edit import Edit
from .fault import Fault

BOOTSTRAP = "replica/bootstrap.py"
HANDING = "replica/handing.py"
HOST = "replica/host.py"
PROPOSALS = "replica/proposals.py"
REPLICA = "replica/replica.py"
SESSION = "replica/session.py"
STAGED = "replica/staged.py"
CLIENT = "machines/sessionclient.py"
GROUP = "machines/group.py"
VERSIONS = "machines/versions.py"
PASSPORT = "storage/passport.py"
TAIL = "storage/tail.py"
WRITING = "storage/writing.py"

FAULTS = [
    # -- forwarding and outcomes
    Fault(
        "forwarded_twice",
        "commands are sent to the leader a second time, in case the first message is lost",
        (
            Edit(
                HANDING,
                "Handing._forward",
                "self._host.ask(leader, FORWARD, self._group, data, reply)",
                "self._host.ask(leader, FORWARD, self._group, data, reply)\n"
                "self._host.ask(leader, FORWARD, self._group, data, reply)",
            ),
        ),
        profile="handover",
    ),
    Fault(
        "lost_reply_is_a_rejection",
        "commands whose request has no reply are rejected, although the leader may have appended them",
        (
            Edit(
                HANDING,
                "_Reply.set_exception",
                "self._handing.proposals.lose(number, str(error))",
                "self._handing.proposals.reply(number, Refused(RejectReason.NO_LEADER, str(error)))",
            ),
        ),
        profile="handover",
    ),
    Fault(
        "places_of_a_reply_all_alike",
        "all commands of one request get the place of the first one",
        (Edit(HANDING, "_Reply.set_result", "index += count", ""),),
        profile="handover",
    ),
    Fault(
        "answers_not_kept_for_late_replies",
        "a command whose entry was applied before the leader's reply came waits without an end",
        (
            Edit(
                PROPOSALS,
                "Proposals._catch_up",
                "for entries, answers in self._kept:\n"
                "    if entries[-1].index >= reply.index and proposal.done < proposal.count:\n"
                "        self._settle(proposal.term, entries, answers)",
                "",
            ),
        ),
        profile="handover",
    ),
    Fault(
        "taken_commands_are_rejected_at_the_end",
        "commands that are placed or sent are rejected when their member ends",
        (
            Edit(
                PROPOSALS,
                "Proposals.stop",
                "self._give_up(proposal, why)",
                "self.reject(proposal, RejectReason.STOPPED, why)",
                nth=1,
            ),
        ),
        profile="service",
    ),
    Fault(
        "given_up_commands_are_rejected",
        "a command whose caller waits no longer is rejected, although it has a place",
        (
            Edit(
                PROPOSALS,
                "Proposals.give_up",
                "self._give_up(proposal, why)",
                "self.reject(proposal, RejectReason.STOPPED, why)",
            ),
        ),
        profile="service",
    ),
    Fault(
        "entry_of_another_term_is_the_command",
        "whatever is committed in a command's place is taken for it",
        (Edit(PROPOSALS, "_result", "e.term == proposal.term", "True"),),
        profile="handover",
    ),
    Fault(
        "only_in_term_is_forwarded",
        "a command for the term of this leader is sent to the leader of another one",
        (
            Edit(
                HANDING,
                "Handing.run",
                "each.only_in_term and not (leads and each.only_in_term == term)",
                "False",
            ),
        ),
        profile="handover",
    ),
    Fault(
        "read_joins_a_round_under_way",
        "a read is answered by a round that began before it",
        (
            Edit(
                "replica/barriers.py",
                "Barriers.end",
                "ended, self._asked = self._asked, _NO_READS",
                "ended, self._asked, self._next = self._asked | self._next, _NO_READS, _NO_READS",
            ),
        ),
        profile="service",
    ),
    # -- sessions
    Fault(
        "session_rejects_what_it_is_unsure_of",
        "a session says Rejected although an earlier attempt may be in the log",
        (Edit(SESSION, "Session._attempt", "number in self._unsure", "False", nth=1),),
        profile="sessions",
    ),
    Fault(
        "expired_session_is_certain",
        "a session that has expired says so although an earlier attempt may have been applied",
        (Edit(SESSION, "Session._attempt", "unsure and isinstance(error, SessionExpired)", "False"),),
        profile="sessions",
    ),
    Fault(
        "session_command_without_its_number",
        "a session proposes its commands without their numbers, so each attempt counts as a new command",
        (Edit(SESSION, "Session.propose", "self._entries[number] = entry", "self._entries[number] = data"),),
        profile="sessions",
    ),
    Fault(
        "answers_acknowledged_out_of_order",
        "a client acknowledges all numbers up to an answered one, although lower ones have no answer yet",
        (
            Edit(
                CLIENT,
                "SessionClient.answered",
                "while self._acknowledged + 1 in self._answered:\n"
                "    self._acknowledged += 1\n"
                "    self._answered.remove(self._acknowledged)",
                "self._acknowledged = max(self._answered)\nself._answered.clear()",
            ),
        ),
        profile="sessions",
    ),
    Fault(
        "repeated_command_within_a_batch",
        "a command that comes twice in one batch is applied twice",
        (
            Edit(
                GROUP,
                "GroupMachine._apply_mixed",
                "(content.session, content.number) in batch.numbers",
                "False",
            ),
        ),
        profile="sessions",
    ),
    # -- identities
    Fault(
        "confirmed_table_is_not_compared",
        "a member that has confirmed another table counts too",
        (Edit(BOOTSTRAP, "Bootstrap._look", "table != self._confirmed", "False"),),
        profile="beginning",
    ),
    Fault(
        "new_identity_is_taken",
        "a member that has lost its data comes back under its id with another identity",
        (
            Edit(
                BOOTSTRAP,
                "Bootstrap._take_stored",
                "own is None or own.identity != self._identities[self._id]",
                "False",
            ),
            Edit(HOST, "Host._start", "own is None or own.id != self.id", "False"),
            Edit(
                "replica/registrar.py",
                "Registrar._set_peer",
                "self._transport.set_peer(id, [split_address(each) for each in addresses], identity=identity)",
                "self._transport.set_peer(id, [split_address(each) for each in addresses], identity=0)",
            ),
        ),
        profile="beginning",
    ),
    Fault(
        "identity_not_on_disk",
        "an identity is sent before it is on disk",
        (Edit(PASSPORT, "write", "files.sync(ASIDE)", ""),),
        profile="beginning",
    ),
    Fault(
        "table_not_on_disk",
        "a member begins before its table of members is on disk",
        (Edit(HOST, "Host._found.store", "self._log.sync()", ""),),
        profile="beginning",
    ),
    # -- versions
    Fault(
        "version_is_reported_too_high",
        "a member reports a version that its program does not know",
        (
            Edit(
                VERSIONS,
                "Versions.report_due",
                "envelope.version_report(member, self.knows)",
                "envelope.version_report(member, self.knows + 1)",
            ),
        ),
        profile="upgrades",
    ),
    Fault(
        "newer_version_is_applied",
        "a program goes on under a version that it does not know",
        (Edit(VERSIONS, "Versions.check", "self.version > self.knows", "False"),),
        profile="upgrades",
    ),
    Fault(
        "version_not_restored",
        "a member that starts from a snapshot begins with version 1",
        (
            Edit(
                GROUP,
                "GroupMachine.restore_state",
                "self.time_ms, self.versions, self.sessions = time_ms, versions, sessions",
                "self.time_ms, self.sessions = time_ms, sessions",
            ),
        ),
        profile="upgrades",
    ),
    Fault(
        "version_not_told_to_the_machine",
        "the machine hears of a version only when the members change",
        (
            Edit(
                GROUP,
                "GroupMachine._apply_own",
                "self.machine.version = self.versions.version",
                "pass",
            ),
            Edit(GROUP, "GroupMachine._follow_members", "self.machine.version = self.versions.version", "pass"),
        ),
        profile="upgrades",
    ),
    # -- what must be durable, and the rule of the tail
    Fault(
        "sync_covers_later_writes",
        "a sync acknowledges what was staged after it had begun",
        (
            Edit(
                STAGED,
                "Staged.end",
                "ended = [write for write, _ in self._waiting[: self._syncing]]\ndel self._waiting[: self._syncing]",
                "ended = [write for write, _ in self._waiting]\ndel self._waiting[:]",
            ),
        ),
        profile="power",
    ),
    Fault(
        "torn_record_is_damage",
        "a record that lacks its end or a sector ends the log",
        (
            Edit(TAIL, "objection", "end < last", "False", nth=2),
            Edit(TAIL, "_lacks_sector", "block[lo - at : hi - at] == _ZEROS[: hi - lo]", "False"),
        ),
        profile="power",
    ),
    Fault(
        "torn_header_is_damage",
        "a segment whose header is missing ends the log",
        (
            Edit(
                TAIL, "header_objection", "header_is_cut(end) or not files.read(name, 0, HEADER).strip(b'\\0')", "False"
            ),
        ),
        profile="power",
    ),
    Fault(
        "write_without_a_sync",
        "a batch is written and not synced",
        (Edit(WRITING, "Batch.run", "files.sync(self.name)", ""),),
        profile="power",
    ),
]
