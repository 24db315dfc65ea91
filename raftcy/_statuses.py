"""The exit statuses of all commands of the package, in one place: for ``--help``, the documents and the tests.

Every command ends with 0 for yes, 1 for no or for a failure, 2 if it could not begin, and 130 or 143 if a signal ended
it. What had been found out until then is printed first.
"""

SIGNALS = {130: "ctrl-C ended it (SIGINT)", 143: "SIGTERM ended it"}
"""Statuses of every command besides its own."""

_LOG = {0: "the log is intact", 1: "it is damaged", 2: "it cannot be read, it is in use, or the command line is wrong"}
_OFFLINE = {0: "it was done", 1: "it was refused, or failed", 2: "the command line is wrong"}
STATUSES: dict[str, dict[int, str]] = {
    "demo": {
        0: "every record was read back on every member",
        1: "the file cannot be replicated, or a member failed",
        2: "the command line is wrong",
    },
    "sim": {
        0: "all seeds passed",
        1: "a seed violated a rule",
        2: "the command line is wrong, or --lockstep has no compiled build here",
    },
    "sim replay": {
        0: "no rule was violated",
        1: "a rule was violated",
        2: "the command line is wrong, a file cannot be written, or --lockstep has no compiled build here",
    },
    "replay": {
        0: "all was as recorded, or two recordings are the same",
        1: "there is a difference, or a file is damaged",
        2: "a file cannot be read, or the command line is wrong",
    },
    "log inspect": _LOG,
    "log verify": _LOG,
    "log export": _LOG,
    "backup": _OFFLINE,
    "restore": _OFFLINE,
    "recover": _OFFLINE,
    "completion": {0: "the script was printed", 2: "the command line is wrong"},
    "rafttest": {
        0: "every script passed",
        1: "a script failed",
        2: "nothing could be run, or the command line is wrong",
    },
}
"""What each status of a command means. ``rafttest`` is ``python -m raftcy.rafttest``."""


def statuses_text(statuses: dict[int, str]) -> str:
    """Format statuses as a sentence for the end of a command's help."""
    return "Exit status: " + "; ".join(f"{status} if {text}" for status, text in (statuses | SIGNALS).items()) + "."


def epilog(command: str) -> str:
    """Return the sentence about the exit statuses of a command, for its help."""
    return statuses_text(STATUSES[command])
