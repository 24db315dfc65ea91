"""The conformance kit: raftcy is tested with it, and users can test their extensions with it.

Scripts are text files of directives with expected outputs (``datadriven``). An ``InteractionEnv`` runs scripts that
drive a cluster in one process. Other suites test configuration changes, quorums and the file format by themselves. Run
them from the command line::

    python -m raftcy.rafttest interaction|extended|confchange|quorum|format PATH... [--rewrite]
    python -m raftcy.rafttest vectors FILE...
    python -m raftcy.rafttest wirepeer -id 1 -peers ...

To write a script with additional commands::

    from raftcy.rafttest import COMMANDS, InteractionEnv, run_file

    def count(env, case):
        env.output.line(f"{len(env.messages)} in flight")

    env = InteractionEnv(COMMANDS | {"count": count})
    run_file(path, env.handle)

with a script such as::

    add-nodes 1 voters=(1) index=2
    ----
    ...

    count
    ----
    0 in flight

No other part of the package imports this one.
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
