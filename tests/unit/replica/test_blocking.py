"""Hosts for programs without asyncio: calls from many threads, errors, and the end."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from raftcy.errors import (
    CallFailed,
    CommandError,
    ConfigError,
    MemberRefused,
    MemberRemoved,
    Rejected,
    Stopped,
    WrongDirectory,
)
from raftcy.replica import Tuning, blocking
from raftcy.replica.replica import RejectReason
from tests.support.hosts import Ledger
from tests.support.transports import free_port

QUICK = Tuning(tick_ms=10, election_ms=100)


def host(folder: Path) -> blocking.Host:
    return blocking.Host(folder, id=1, members={1: f"127.0.0.1:{free_port()}"}, tuning=QUICK)


def ended() -> bool:
    """Whether no thread of a host is left, after what is under way."""
    left = [each for each in threading.enumerate() if each.name.startswith(("raftcy", "asyncio"))]
    for thread in left:
        thread.join(10)
    return not any(thread.is_alive() for thread in left)


def names(machine: Ledger) -> list[str]:
    return list(machine.entries)


def test_calls_from_many_threads(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        replica = one.replica("ledger", Ledger())
        assert replica.wait_for_leader(10) == 1
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: replica.propose(b"%d" % n), range(100)))
        assert sorted(found) == list(range(1, 101))
        assert len(set(replica.read(names))) == 100
        assert replica.propose_many([b"x", b"no"]) == [101, CommandError("no")]
        with pytest.raises(CommandError):
            replica.propose(b"no")
        with pytest.raises(TimeoutError):
            replica.read(names, at_least=10**6, timeout_s=0.05)
        assert replica.status().leader == 1
        # Of the 100 calls, one list of two and the refused one: refusals are applied too.
        assert one.metrics().replicas["ledger"].proposals.applied == 103
        with pytest.raises(CallFailed):
            one.request(1, 300, b"")
        assert one.failure is None
    with pytest.raises(Stopped):
        replica.propose(b"x")
    with pytest.raises(Stopped):
        one.replica("other", Ledger())
    with pytest.raises(ConfigError):
        one.__enter__()
    one.close()
    assert ended()


def test_an_error_of_the_machine_reaches_the_caller(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        replica = one.replica("ledger", Ledger())
        replica.wait_for_leader(10)
        with pytest.raises(Exception, match="die"):
            replica.propose(b"die")
        with pytest.raises(Stopped):
            replica.read(names)
        with pytest.raises(Rejected) as caught:
            replica.propose(b"x")
        assert caught.value.reason == RejectReason.STOPPED
        assert one.failure is replica.failure is not None
        with pytest.raises(type(one.failure)):
            raise one.failure


def test_a_call_from_the_loops_own_thread_is_refused(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        replica = one.replica("ledger", Ledger())
        replica.wait_for_leader(10)
        with pytest.raises(AssertionError, match="would wait for itself"):
            replica.read(lambda machine: replica.propose(b"x"))


def test_a_start_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "strange").write_text("not a log")
    for _ in range(2):
        # The second attempt meets the same error, and not the lock of the first one.
        with pytest.raises(WrongDirectory, match="strange"):
            host(tmp_path).__enter__()
    assert ended()


def test_a_second_close_leaves_the_first_one_its_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = host(tmp_path)
    one.__enter__()
    begun, go_on = threading.Event(), threading.Event()
    shut = one._host._shut

    async def slowly() -> None:
        begun.set()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait)
        await shut()

    monkeypatch.setattr(one._host, "_shut", slowly)
    closes = [threading.Thread(target=one.close, daemon=True) for _ in range(2)]
    closes[0].start()
    assert begun.wait(10)
    closes[1].start()
    closes[1].join(0.05)
    assert closes[1].is_alive(), "the end has not come yet"
    go_on.set()
    for each in closes:
        each.join(10)
    assert not any(each.is_alive() for each in closes)
    assert ended()


def test_a_call_that_waits_while_the_loop_ends_is_told(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        begun = threading.Event()

        async def wait() -> None:
            begun.set()
            await asyncio.Event().wait()

        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(one._opened().wait, wait())
            assert begun.wait(10)
            one.close()
            assert isinstance(call.exception(10), Stopped)
    assert ended()


def test_members_change(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    first = f"127.0.0.1:{ports[0]}"
    with blocking.Host(tmp_path / "1", id=1, members={1: first}, tuning=QUICK) as one:
        ledger = one.replica("ledger", Ledger())
        ledger.wait_for_leader(10)
        here = [f"127.0.0.1:{port}" for port in ports]
        with blocking.Host.join(tmp_path / "2", first, id=2, learner=True, listen=here[1], tuning=QUICK) as two:
            two.replica("ledger", Ledger())
            assert one.add_learner(2).name == ""
            one.promote(2)
            assert one.update(2, name="two").name == "two"
            assert one.hosts[2].addresses == (here[1],)
            with pytest.raises(MemberRefused):
                one.add_learner(2)
            with blocking.Host.join(tmp_path / "3", first, id=3, listen=here[2], tuning=QUICK) as three:
                three.replica("ledger", Ledger())
                one.replace(2, 3)
                with pytest.raises(MemberRemoved):
                    two.wait_closed()
                one.remove(3)
            assert one.status().removed == {2, 3}
            assert ledger.propose(b"x") == 1
    assert ended()
