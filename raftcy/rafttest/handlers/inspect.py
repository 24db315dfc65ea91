"""Commands that print state, and the log level."""

from ...core.describe import describe_entries
from ...core.tracker import progress_map_string
from ...wire import consts as k
from ..datadriven import Case
from ..environment import CommandError, EnvNode, InteractionEnv
from ..output import LEVELS
from . import arguments


def breakpoint_here(env: InteractionEnv, case: Case) -> None:
    """``_breakpoint``: do nothing. A place for a debugger's breakpoint in a long script."""


def log_level(env: InteractionEnv, case: Case) -> None:
    """``log-level LEVEL``: set the level, one of ``output.LEVELS``, in upper or lower case."""
    set_level(env, arguments.text(case, 0))


def set_level(env: InteractionEnv, name: str) -> None:
    """Set the environment's level by its name. Raises CommandError for an unknown name."""
    if name.upper() not in LEVELS:
        raise CommandError(f"log levels must be either of [{' '.join(LEVELS)}]")
    env.output.level = LEVELS.index(name.upper())


def raft_log(env: InteractionEnv, case: Case) -> None:
    """``raft-log ID``: print the entries of the node's storage."""
    print_log(env, arguments.first_node(env, case))


def print_log(env: InteractionEnv, node: EnvNode) -> None:
    """Print the entries of a node's storage, one per line."""
    first, last = node.storage.first_index(), node.storage.last_index()
    if last < first:
        env.output.write(f"log is empty: first index={first}, last index={last}")
    else:
        env.output.write(describe_entries(node.storage.entries(first, last + 1, k.NO_LIMIT)))


def raft_state(env: InteractionEnv, case: Case) -> None:
    """``raft-state``: print each node's role, as the node itself sees it."""
    for node in env.nodes:
        st = node.raw.status()
        voter = "Voter" if st.id in st.config.voters.ids() else "Non-Voter"
        env.output.line(f"{st.id}: {st.raft_state} ({voter}) Term:{st.term} Lead:{st.lead}")


def status(env: InteractionEnv, case: Case) -> None:
    """``status ID``: print a leader's progress of each member."""
    env.output.write(progress_map_string(arguments.first_node(env, case).raw.status().progress))
