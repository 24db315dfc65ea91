"""Faults around state machines: sessions, the group's time and version, and the ready machines."""

from ..edit import Edit
from .fault import Fault

GROUP = "machines/group.py"
SESSIONS = "machines/sessions.py"
VERSIONS = "machines/versions.py"
ELAPSED = "machines/elapsed.py"

FAULTS = [
    Fault(
        "answer_not_kept",
        "the answer of a session's command is not kept",
        (Edit(GROUP, "GroupMachine._run", "self.sessions.keep(session, number, kept)", ""),),
        profile="counter",
    ),
    Fault(
        "expired_session_applied",
        "a command of a session that has expired is applied",
        (
            Edit(
                SESSIONS,
                "SessionTable.begin",
                "if found is None:\n    return SessionExpired(session)",
                "if found is None:\n    return None",
            ),
            Edit(
                SESSIONS,
                "SessionTable.keep",
                "found = self._sessions[session]\nif place > found.acknowledged:\n    found.answers[place] = answer",
                "if session in self._sessions:\n    self._sessions[session].answers[place] = answer",
            ),
        ),
        profile="counter",
    ),
    Fault(
        "acknowledged_command_applied",
        "a command that comes after its answer was acknowledged is applied again",
        (Edit(SESSIONS, "SessionTable.begin", "place <= found.acknowledged", "False"),),
        profile="dictionary",
    ),
    Fault(
        "acknowledged_answers_kept",
        "answers stay that the client has acknowledged",
        (Edit(SESSIONS, "SessionTable._acknowledge", "del answers[place]", ""),),
        profile="queue",
    ),
    Fault(
        "answers_without_bound",
        "a session may have any number of commands that are not acknowledged",
        (Edit(SESSIONS, "SessionTable.begin", "place > found.acknowledged + WINDOW", "False"),),
        profile="lock",
    ),
    Fault(
        "session_never_expires",
        "sessions stay, whatever time passes",
        (Edit(GROUP, "GroupMachine._apply_own", "self.sessions.expire(self.time_ms)", ""),),
        profile="counter",
    ),
    Fault(
        "session_expires_while_it_is_used",
        "only the opening of a session counts as a sign of life",
        (
            Edit(
                SESSIONS,
                "SessionTable._acknowledge",
                "found.deadline_ms = deadline(now_ms, found.timeout_ms)",
                "",
            ),
        ),
        profile="counter",
    ),
    Fault(
        "answers_not_in_snapshots",
        "a restored session has no answers",
        (Edit(SESSIONS, "SessionTable.decode", "found.answers[place] = reader.block()", "reader.block()"),),
        profile="counter",
    ),
    Fault(
        "earliest_deadline_not_restored",
        "after a restore, sessions expire only once another one is opened",
        (
            Edit(
                SESSIONS,
                "SessionTable.decode",
                "table._earliest_ms = min((found.deadline_ms for found in table._sessions.values()), default=0)",
                "table._earliest_ms = 2**63",
            ),
        ),
        profile="counter",
    ),
    Fault(
        "deadline_without_margin",
        "a deadline may come early by what one entry adds to the time",
        (Edit(ELAPSED, "deadline", "now_ms + after_ms + ADVANCE_MOST_MS", "now_ms + after_ms"),),
        profile="counter",
    ),
    Fault(
        "time_of_another_term",
        "time that a deposed leader has counted is added too",
        (Edit(ELAPSED, "advanced", "content.term == entry_term", "True"),),
        profile="lock",
    ),
    Fault(
        "version_without_learners",
        "the version rises before the learners have reported",
        (
            Edit(
                VERSIONS,
                "Versions.follow",
                "_all_of((*members.voters, *members.voters_outgoing, *members.learners, *members.learners_next))",
                "_all_of((*members.voters, *members.voters_outgoing))",
            ),
        ),
        profile="counter",
    ),
    Fault(
        "version_of_a_majority",
        "the version rises once a majority has reported",
        (
            Edit(
                VERSIONS,
                "Versions._rise",
                "len(self._reports) == len(self._members)",
                "2 * len(self._reports) > len(self._members)",
            ),
        ),
        profile="counter",
    ),
    Fault(
        "version_of_the_newest",
        "the version rises to what the newest program knows",
        (Edit(VERSIONS, "Versions._rise", "min(self._reports.values())", "max(self._reports.values())"),),
        profile="counter",
    ),
    Fault(
        "report_below_the_version",
        "a member may report less than the group uses already",
        (Edit(VERSIONS, "Versions.refuses", "version >= self.version", "True"),),
        profile="counter",
    ),
    Fault(
        "report_of_a_stranger",
        "a report counts although its sender is not a member",
        (Edit(VERSIONS, "Versions.report", "member not in self._members", "False"),),
        profile="counter",
    ),
    Fault(
        "report_outlives_its_member",
        "what a removed member had reported counts for who joins under its id",
        (Edit(VERSIONS, "Versions.follow", "del self._reports[gone]", ""),),
        profile="dictionary",
    ),
    Fault(
        "removal_does_not_raise",
        "the version does not rise when the last member that held it is removed",
        (Edit(VERSIONS, "Versions.follow", "self._rise()", ""),),
        profile="dictionary",
    ),
    Fault(
        "version_not_in_snapshots",
        "a restored group begins with the first version again",
        (
            Edit(
                VERSIONS,
                "Versions.decode",
                "found.version = reader.number(1, VERSION_MOST)",
                "reader.number(1, VERSION_MOST)",
            ),
        ),
        profile="counter",
    ),
    Fault(
        "lock_taken_on_a_lease",
        "a lock is given to the next one while its lease runs",
        (
            Edit(
                "machines/lock.py",
                "Lock._acquire",
                "at.time_ms < held.deadline_ms",
                "at.time_ms < held.deadline_ms - 3000",
            ),
        ),
        profile="lock",
    ),
    Fault(
        "lock_token_comes_again",
        "who takes over a lock gets the token of the one before",
        (
            Edit(
                "machines/lock.py",
                "Lock._acquire",
                "return at.index",
                "return at.index if held is None else held.token",
            ),
        ),
        profile="lock",
    ),
    Fault(
        "lock_held_with_an_old_token",
        "who lost a lock can give it back",
        (Edit("machines/lock.py", "Lock._held_with", "held.token != token", "held.token < token"),),
        profile="lock",
    ),
    Fault(
        "item_done_twice",
        "a worker whose lease was over can still report its item as done",
        (Edit("machines/workqueue.py", "WorkQueue._lost", "item.token != token", "item.token < token"),),
        profile="queue",
    ),
    Fault(
        "taken_items_not_restored",
        "after a restore, items that were taken never come back",
        (
            Edit(
                "machines/workqueue.py",
                "WorkQueue.restore",
                "self._taken = sorted((item.deadline_ms, id) for id, item in self._items.items() if item.token != 0)",
                "self._taken = []",
            ),
        ),
        profile="queue",
    ),
    Fault(
        "revision_not_compared",
        "a change goes through whatever the key's revision",
        (Edit("machines/dictionary.py", "Dictionary._changed", "present == revision", "True"),),
        profile="dictionary",
    ),
    Fault(
        "refused_total_is_kept",
        "a total is set though another one was expected",
        (
            Edit(
                "machines/counter.py",
                "Counter._set_total",
                "command.expected is not None and command.expected != self.total",
                "False",
            ),
        ),
        profile="counter",
    ),
]
