"""etcd's own test suite, in which our server has the place of etcd.

The short form runs KV, Txn and Watch on one member, and on three with TLS for clients. `make etcd-suite` runs all that
is supported, on all clusters.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import ROOT

from .toolbox import built, suite

pytestmark = pytest.mark.once

SHORT = "TestKV|TestTxn|TestWatch"
LONG = f"{SHORT}|TestCompact|TestLease|TestHashKV|TestVerifyHashKV|TestStatus|TestEndpoint|TestDefrag|TestAlarm"
SHORT_CLUSTERS = "NoTLS one,ClientTLS three"
# The tests with users need users.
LEFT_OUT = "Test.*With(No|Invalid|Root|User)Auth"
# The suite itself leaves these out: options that a stream of a range does not have, and clusters of one member where it
# compares members.
MAY_SKIP = re.compile(r"TestKVGetStream/.*|TestVerifyHashKV.*/(NoTLS|ClientTLS)_one")


def place(folder: Path) -> Path:
    """A folder with the programs that the suite looks for."""
    server = folder / "etcd"
    server.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m raftcy.etcd.launch "$@"\n')
    server.chmod(0o755)
    (folder / "etcdctl").symlink_to(built("etcdctl"))
    return folder


def results(output: str) -> dict[str, set[str]]:
    """The names of the tests by their results."""
    found: dict[str, set[str]] = {"PASS": set(), "FAIL": set(), "SKIP": set()}
    for result, name in re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)", output, re.M):
        found[result].add(name)
    return found


@pytest.mark.waits(100)
def test_the_suite(tmp_path: Path) -> None:
    is_long = os.environ.get("RAFTCY_ETCD_SUITE") == "long"
    limit_s = 3600 if is_long else 900
    program = suite()
    environment = {} if is_long else {"RAFTCY_ETCD_CLUSTERS": SHORT_CLUSTERS}
    done = subprocess.run(
        [
            *(program, "-test.v", f"-test.timeout={limit_s}s", f"-test.run=^({LONG if is_long else SHORT})"),
            f"-test.skip=^({LEFT_OUT})$",
            *("--bin-dir", place(tmp_path)),
        ],
        cwd=program.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=limit_s + 60,
    )
    found = results(done.stdout)
    log = tmp_path / "log"
    log.write_text(done.stdout + done.stderr)
    assert found["FAIL"] == set(), f"the log is {log}: {done.stdout[-3000:]}"
    assert {name for name in found["SKIP"] if not MAY_SKIP.fullmatch(name)} == set()
    assert done.returncode == 0
    assert len(found["PASS"]) > (300 if is_long else 80)
