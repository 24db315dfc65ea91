"""The pages that probes ask for."""

import asyncio
import json
from collections.abc import Awaitable

import pytest

from raftcy.etcd.probes import Probes
from raftcy.etcd.refusals import Refused
from raftcy.etcd.replies import Reply


class Facts:
    failure: BaseException | None = None
    has_leader = True
    is_learner = False

    def __init__(self) -> None:
        self.raised: list[str] = []
        self.errors: dict[bool, Exception] = {}
        self.hangs = False
        self.asked: list[bool] = []

    def alarms(self) -> list[str]:
        return self.raised

    async def read(self, is_serializable: bool) -> None:
        self.asked.append(is_serializable)
        if self.hangs:
            await asyncio.Event().wait()
        if is_serializable in self.errors:
            raise self.errors[is_serializable]


@pytest.fixture
def facts() -> Facts:
    return Facts()


async def ask(facts: Facts, path: str, probes: Probes | None = None, **query: list[str]) -> Reply:
    made = probes or Probes(facts, {"etcdserver": "3.7.0"}, 0.05)
    found = made.pages()[path](query)
    return await found if isinstance(found, Awaitable) else found


async def health(facts: Facts, **query: list[str]) -> tuple[int, str, str]:
    found = await ask(facts, "/health", **query)
    fields = json.loads(found.body)
    return found.status, fields["health"], fields["reason"]


async def test_version(facts: Facts) -> None:
    assert json.loads((await ask(facts, "/version")).body) == {"etcdserver": "3.7.0"}


async def test_health(facts: Facts) -> None:
    assert await health(facts) == (200, "true", "")
    assert facts.asked == [False]


async def test_health_without_a_leader(facts: Facts) -> None:
    facts.has_leader = False
    assert await health(facts) == (503, "false", "RAFT NO LEADER")
    assert facts.asked == []
    assert await health(facts, serializable=["true"]) == (200, "true", "")
    assert facts.asked == [True]


async def test_health_with_an_alarm(facts: Facts) -> None:
    facts.raised = ["NOSPACE", "CORRUPT"]
    assert await health(facts) == (503, "false", "ALARM NOSPACE")
    assert await health(facts, exclude=["NOSPACE"]) == (503, "false", "ALARM CORRUPT")
    assert await health(facts, exclude=["NOSPACE", "CORRUPT"]) == (200, "true", "")


async def test_health_when_reads_fail_or_hang(facts: Facts) -> None:
    facts.errors[False] = Refused(14, "etcdserver: request timed out")
    assert await health(facts) == (503, "false", "RANGE ERROR:etcdserver: request timed out")
    facts.hangs = True
    assert (await health(facts))[:2] == (503, "false")


async def test_all_pages_are_false_once_the_host_has_failed(facts: Facts) -> None:
    """Even those that ask for this member's data alone: it must get no traffic."""
    facts.failure = OSError("the disk is gone")
    assert await health(facts, serializable=["true"]) == (503, "false", "FAILED:the disk is gone")
    for path in ("/livez", "/readyz", "/livez/serializable_read", "/readyz/non_learner"):
        found = await ask(facts, path)
        assert found.status == 503
        assert b"the disk is gone" in found.body
    assert facts.asked == []


async def test_how_often_health_was_good_and_bad(facts: Facts) -> None:
    probes = Probes(facts, {}, 1.0)
    await ask(facts, "/health", probes)
    facts.has_leader = False
    await ask(facts, "/health", probes)
    await ask(facts, "/health", probes)
    assert (probes.health_true, probes.health_false) == (1, 2)


async def test_livez_and_readyz(facts: Facts) -> None:
    assert (await ask(facts, "/livez")) == Reply(b"ok\n", 200, "text/plain; charset=utf-8")
    found = await ask(facts, "/readyz", verbose=[""])
    names = ("data_corruption", "serializable_read", "linearizable_read", "non_learner")
    assert found.body.decode() == "".join(f"[+]{name} ok\n" for name in names) + "ok\n"
    assert facts.asked == [True, True, False]


async def test_a_failed_check_is_named(facts: Facts) -> None:
    probes = Probes(facts, {}, 1.0)
    facts.errors[False] = Refused(14, "etcdserver: no leader")
    found = await ask(facts, "/readyz", probes)
    assert found.status == 503
    assert b"[-]linearizable_read failed: etcdserver: no leader\n" in found.body
    assert (await ask(facts, "/readyz", probes, exclude=["linearizable_read"])).status == 200
    assert (await ask(facts, "/readyz/serializable_read", probes)).status == 200
    assert (await ask(facts, "/readyz/linearizable_read", probes)).status == 503
    assert (await ask(facts, "/livez", probes)).status == 200
    assert probes.checked["readyz", "linearizable_read", "error"] == 2
    assert probes.checked["readyz", "serializable_read", "success"] == 3


async def test_a_learner_and_corrupt_data_are_not_ready(facts: Facts) -> None:
    facts.is_learner = True
    assert b"[-]non_learner failed" in (await ask(facts, "/readyz")).body
    facts.is_learner = False
    facts.raised = ["NOSPACE"]
    assert (await ask(facts, "/readyz")).status == 200
    facts.raised = ["CORRUPT"]
    assert b"[-]data_corruption failed: alarm activated: CORRUPT" in (await ask(facts, "/readyz")).body
    assert (await ask(facts, "/livez")).status == 200
