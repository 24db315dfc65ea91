"""The conformance kit: what raftcy is held to, and what its users can hold their own extensions to.

Scripts are text files of directives with expected outputs (``datadriven``). An ``InteractionEnv`` runs those that drive
a cluster in one process; further suites run configuration changes, quorums and the file format alone. From the command
line::

    python -m raftcy.rafttest interaction|extended|confchange|quorum|format PATH... [--rewrite]
    python -m raftcy.rafttest vectors FILE...
    python -m raftcy.rafttest wirepeer -id 1 -peers ...

A script for commands of one's own::

    from raftcy.rafttest import COMMANDS, InteractionEnv, run_file

    def count(env, case):
        env.output.line(f"{len(env.messages)} in flight")

    env = InteractionEnv(COMMANDS | {"count": count})
    run_file(path, env.handle)

with, in the file::

    add-nodes 1 voters=(1) index=2
    ----
    ...

    count
    ----
    0 in flight

Nothing else in the package imports this.
"""

from .datadriven import Argument, Case, Handler, Mismatch, ScriptError, parse_line, rewrite_text, run_file, run_text
from .environment import Command, CommandError, EnvNode, EnvStorage, HistoryStorage, InteractionEnv, SnapshotSource
from .handlers import COMMANDS, EXTENDED
from .output import LEVELS, RedirectLogger
from .suites import SUITES, find_scripts, run_script

__all__ = [
    "COMMANDS",
    "EXTENDED",
    "LEVELS",
    "SUITES",
    "Argument",
    "Case",
    "Command",
    "CommandError",
    "EnvNode",
    "EnvStorage",
    "Handler",
    "HistoryStorage",
    "InteractionEnv",
    "Mismatch",
    "RedirectLogger",
    "ScriptError",
    "SnapshotSource",
    "find_scripts",
    "parse_line",
    "rewrite_text",
    "run_file",
    "run_script",
    "run_text",
]
