"""The suites by name, and functions to find and run their scripts."""

from collections.abc import Callable
from pathlib import Path

from . import format_suite, quorum_suite
from .confchange_suite import ConfChangeSuite
from .datadriven import Handler, run_file
from .environment import InteractionEnv
from .handlers import COMMANDS, EXTENDED

__all__ = ["SUITES", "find_scripts", "run_script"]

SUITES: dict[str, Callable[[], Handler]] = {
    "interaction": lambda: InteractionEnv(COMMANDS).handle,
    "extended": lambda: InteractionEnv(EXTENDED).handle,
    "confchange": lambda: ConfChangeSuite().handle,
    "quorum": lambda: quorum_suite.handle,
    "format": lambda: format_suite.handle,
}
"""For each suite a function that creates the handler for one script, with new state."""


def run_script(suite: str, path: Path, *, rewrite: bool = False) -> bool:
    """Run one file as ``datadriven.run_file`` does. Raises KeyError for an unknown suite."""
    return run_file(path, SUITES[suite](), rewrite=rewrite)


def find_scripts(path: Path) -> list[Path]:
    """Return the script at ``path``, or all ``*.txt`` in the folder at ``path``, sorted, without subfolders.

    Raises FileNotFoundError if there is none.
    """
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
        return [path]
    found = sorted(file for file in path.glob("*.txt") if file.is_file())
    if not found:
        raise FileNotFoundError(f"{path}: no *.txt in this folder")
    return found
