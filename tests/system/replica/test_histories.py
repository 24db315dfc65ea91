"""Short histories, and tests of what checks them; the long form is ``python -m tests.system.replica.histories``."""

import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.needs import missing

from .histories.checking import Operation, build_checker, verdicts
from .histories.faults import CUTS, both_ways
from .histories.history import history
from .histories.network import Network, can_make_networks, reached

pytestmark = [pytest.mark.once, pytest.mark.waits(10)]


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker, built once."""
    return build_checker(tmp_path_factory.mktemp("checker"))


@pytest.fixture(scope="module")
def networks() -> None:
    """The right to make networks."""
    if sys.platform != "linux" or not can_make_networks():
        missing("Linux and the right to make network namespaces and bridges")


def operation(
    kind: str, called: int, returned: int | None, answer: int | None = None, x: int = 0, y: int = 0
) -> Operation:
    return Operation(called, "k", kind, x, y, called, returned, answer)


STORIES = {
    "a read of what was written": ("ok", [operation("w", 1, 2, x=5), operation("r", 3, 4, 5)]),
    "a stale read": (
        "illegal",
        [operation("w", 1, 2, x=5), operation("w", 3, 4, x=6), operation("r", 5, 6, 5)],
    ),
    "an old value while the new one is written": (
        "ok",
        [operation("w", 1, 2, x=5), operation("w", 3, 9, x=6), operation("r", 5, 6, 5), operation("r", 7, 8, 6)],
    ),
    "a value that comes and goes": (
        "illegal",
        [operation("w", 1, 2, x=5), operation("w", 3, 9, x=6), operation("r", 4, 5, 6), operation("r", 6, 7, 5)],
    ),
    "a lost write": ("illegal", [operation("w", 1, 2, x=5), operation("r", 3, 4, 0)]),
    "a write without an outcome that came": ("ok", [operation("w", 1, None, x=5), operation("r", 3, 4, 5)]),
    "a write without an outcome that never came": ("ok", [operation("w", 1, None, x=5), operation("r", 3, 4, 0)]),
    "a sum that was added twice": ("illegal", [operation("a", 1, 2, 5, x=5), operation("r", 3, 4, 10)]),
    "two sums": ("ok", [operation("a", 1, 9, 7, x=5), operation("a", 2, 8, 2, x=2)]),
    "a change of another value": (
        "illegal",
        [operation("w", 1, 2, x=5), operation("c", 3, 4, 1, x=6, y=7)],
    ),
    "a change that comes in time": (
        "ok",
        [operation("w", 1, 2, x=5), operation("c", 3, 4, 1, x=5, y=7), operation("c", 5, 6, 0, x=5, y=8)],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_checker(checker: Path, name: str) -> None:
    verdict, operations = STORIES[name]
    assert verdicts(checker, operations) == {"k": verdict}


def test_ways_are_cut(networks: None) -> None:
    """Packets pass where no way is cut, in the one direction without the other."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            network = Network()
            ids = [1, 2, 3]
            for id in ids:
                network.add(id)
            all_ways = {(a, b) for a in ids for b in ids if a != b}
            assert reached(network, ids) == all_ways
            network.cut({1: {2}})
            assert reached(network, ids) == all_ways - {(1, 2)}
            network.cut(both_ways({1}, {2, 3}))
            assert reached(network, ids) == {(2, 3), (3, 2)}
            network.cut({})
            assert reached(network, ids) == all_ways
            network.close()
            status = 0
        except AssertionError as error:
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_cuts_leave_no_member_alone_with_itself() -> None:
    """A bridge reaches everybody, and the parts of a partition cover all members."""
    for seed in range(50):
        draw = random.Random(seed)
        members = list(range(1, draw.randrange(3, 6) + 1))
        for kind in CUTS:
            ways = kind(members, draw)
            cut = {(a, b) for a, others in ways.items() for b in others}
            assert cut, kind
            assert all(a != b and {a, b} <= set(members) for a, b in cut)
            mutual = {(b, a) for a, b in cut}
            if kind.__name__ in ("partition", "isolation", "bridge"):
                assert cut == mutual
            if kind.__name__ == "bridge":
                assert set(members) - {a for a, _ in cut}


@pytest.mark.parametrize("lease", [False, True], ids=["rounds", "lease"])
def test_a_history(networks: None, checker: Path, lease: bool) -> None:
    """Under kills, pauses, cut ways and changes of members, operations are linearizable.

    Some clients are careless on purpose. In so few operations, luck decides whether they do harm; the long form asks
    for it.
    """
    with tempfile.TemporaryDirectory(prefix="h") as folder:
        told = asyncio.run(history(Path(folder), checker, 500, seed=3, lease=lease))
    assert told.wrong == []
    assert told.operations >= 500
    assert told.applied > 100
    assert sum(told.faults.values()) >= 4
    assert told.careless.keys() == {"stale", "lost"}
