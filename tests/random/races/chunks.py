"""Part of a long run: some seeds of a kind, in a worker process. Workers cannot import from ``__main__``."""

from . import of_node, of_transport
from .leftovers import run

KINDS = {"transport": of_transport.Schedule, "node": of_node.Schedule}


def chunk(part: tuple[str, range]) -> list[str]:
    """Run some seeds of a kind; returns what was wrong with each that failed."""
    kind, seeds = part
    wrong = []
    for seed in seeds:
        try:
            run(KINDS[kind](seed).run())
        except BaseException as error:
            wrong.append(f"{kind} {seed}: {type(error).__name__}: {error}")
    return wrong
