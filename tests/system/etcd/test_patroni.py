"""Patroni with PostgreSQL on our server in the place of etcd: from the first start to a failover and back.

With three members, the leading one is killed in the middle of a step, and started again later.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.needs import missing

from .members import Members
from .patroni_nodes import TTL_S, Node, Steps
from .toolbox import python_with

pytestmark = pytest.mark.once


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user postgres can read, below no home folder."""
    path = Path(tempfile.mkdtemp(prefix="raftcy-patroni-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def needs_postgres() -> Path:
    """The folder with PostgreSQL's programs."""
    if os.geteuid() != 0:
        missing("root, to run PostgreSQL as another user")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or shutil.which("setpriv") is None:
        missing("PostgreSQL and setpriv")
    return found[-1].parent


CLUSTERS = {"one": (1, ""), "three": (3, "the killed one rejoins")}
# One run in the short form; `make etcd-suite` has all.
RUNS = CLUSTERS if os.environ.get("RAFTCY_ETCD_SUITE") == "long" else ("one",)


@pytest.mark.waits(60)
@pytest.mark.parametrize(("count", "killed_at"), [CLUSTERS[each] for each in RUNS], ids=list(RUNS))
def test_patroni(folder: Path, count: int, killed_at: str) -> None:
    """Bootstrap, replica, switchover, kill and failover, rejoin, configuration, pause."""
    binaries = needs_postgres()
    python = python_with("patroni", folder)
    members = Members(folder, count)
    killed: list[int] = []

    def on_step(what: str) -> None:
        if what == killed_at:
            killed.append(members.leader())
            members.members[killed[0]].end(9)

    steps = Steps(on_step)
    nodes: list[Node] = []
    try:
        members.start()
        scope = f"check{os.getpid()}"
        nodes += [Node(name, folder, python, binaries, scope, members.endpoints) for name in ("n1", "n2")]
        play(nodes, steps, scope, python.with_name("patronictl"))
        for number in killed:
            members.members[number].start()
            members.members[number].wait_ready(2)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{[node.tail() for node in nodes]}") from error
    finally:
        for node in nodes:
            node.end()
        members.end()
    assert len(killed) == (1 if killed_at else 0)


def play(nodes: list[Node], steps: Steps, scope: str, control: Path) -> None:
    """Play all steps."""
    first, second = nodes

    def patronictl(*arguments: str) -> str:
        done = subprocess.run(
            [control, "-c", first.file, *arguments], capture_output=True, text=True, timeout=60, cwd=first.home
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows(node: Node, count: int) -> bool:
        return node.sql("select count(*) from t") == str(count)

    first.start()
    steps.wait("bootstrap", first.leads, 90)
    second.start()
    steps.wait("the other one streams", second.streams, 60)
    first.sql("create table t(i int); insert into t values (1)")
    steps.wait("a row on the replica", lambda: rows(second, 1), 10)
    states = {"running", "streaming"}
    shown = lambda: {each["State"] for each in json.loads(patronictl("list", scope, "-f", "json"))}  # noqa: E731
    steps.wait("patronictl shows both", lambda: shown() == states, 20)
    patronictl("switchover", scope, "--leader", "n1", "--candidate", "n2", "--force")
    steps.wait("switchover", second.leads, 40)
    steps.wait("the old leader streams", first.streams, 60)
    second.sql("insert into t values (2)")
    steps.wait("another row on the replica", lambda: rows(first, 2), 10)
    second.kill()
    steps.wait("failover", first.leads, TTL_S + 25)
    steps.wait("no row is lost", lambda: rows(first, 2), 10)
    first.sql("insert into t values (3)")
    second.start()
    steps.wait("the killed one rejoins", second.streams, 60)
    steps.wait("its missing row", lambda: rows(second, 3), 10)
    patronictl("edit-config", scope, "--force", "-s", "maximum_lag_on_failover=2097152")
    steps.wait("edit-config", lambda: first.state("/config")["maximum_lag_on_failover"] == 2097152, 20)
    patronictl("pause", scope, "--wait")
    steps.wait("pause", lambda: first.state().get("pause") is True, 20)
    patronictl("resume", scope, "--wait")
    steps.wait("resume", lambda: not first.state().get("pause"), 20)
