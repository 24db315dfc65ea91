"""What editors offer after a dot: jedi, on installed wheels of both builds."""

from pathlib import Path

import pytest

import raftcy
from tests.support.needs import FREE_THREADED

from .conftest import installed

jedi = pytest.importorskip("jedi", reason="jedi reads no newer Python than 3.14")
pytestmark = [
    pytest.mark.packaging,
    pytest.mark.once,
    pytest.mark.waits(50),
    pytest.mark.skipif(FREE_THREADED, reason="jedi is the same there, and slow"),
]

MADE = """\
import raftcy

storage = raftcy.MemoryStorage()
n = raftcy.RawNode(raftcy.Config(id=1, election_tick=10, heartbeat_tick=1, storage=storage))
"""


def offered(site: Path, line: str) -> set[str]:
    """The public names that jedi offers at the end of a line, after MADE."""
    code = MADE + line
    script = jedi.Script(code, project=jedi.Project(site, added_sys_path=[str(site)], smart_sys_path=False))
    return {each.name for each in script.complete() if not each.name.startswith("_")}


@pytest.fixture(params=["compiled_wheel", "pure_wheel"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return installed(request.getfixturevalue(request.param), tmp_path / "site")


def public(of: type) -> set[str]:
    return {name for name in dir(of) if not name.startswith("_")}


def test_after_a_call(site: Path) -> None:
    found = offered(site, "n.ready().")
    assert found == public(raftcy.Ready)
    assert {"messages", "entries", "must_sync", "snapshot"} <= found


@pytest.mark.parametrize(
    ("line", "of"),
    [
        ("n.", raftcy.RawNode),
        ("n.status().", raftcy.Status),
        ("storage.", raftcy.MemoryStorage),
        ("n.ready().messages[0].", raftcy.Message),
        ("n.ready().hard_state.", raftcy.HardState),
        ("storage.snapshot().metadata.conf_state.", raftcy.ConfState),
    ],
)
def test_along_the_way(site: Path, line: str, of: type) -> None:
    assert public(of) <= offered(site, line)
