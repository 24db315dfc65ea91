"""Backups of members, and new clusters from them or from the survivors of an old one."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from raftcy import cli
from raftcy.errors import Corruption
from raftcy.replica import Host, Tuning
from raftcy.replica.replica import Replica
from raftcy.replica.transplant import Backup, OldDirectory, write_backup
from raftcy.storage.directory import Directory
from tests.support.hosts import Ledger, agreed, ledger
from tests.support.transports import free_port

QUICK = Tuning(tick_ms=10, election_ms=100, snapshot_entries=20, kept_entries=5)


@pytest.fixture(scope="module", name="old")
def old_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directories of a cluster that has ended: 30 commands in one group, 3 in another, host 4 joined, 3 removed."""
    folder = tmp_path_factory.mktemp("old")
    members = {id: f"127.0.0.1:{free_port()}" for id in (1, 2, 3)}

    async def story() -> None:
        hosts = {id: Host(folder / str(id), id=id, members=members, tuning=QUICK) for id in members}
        hosts[4] = Host.join(folder / "4", members[1], id=4, listen=f"127.0.0.1:{free_port()}", tuning=QUICK)
        async with asyncio.timeout(120):
            await asyncio.gather(*[hosts[id].__aenter__() for id in members])
            await hosts[4].__aenter__()
            those: dict[int, Replica] = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            others = {id: host.replica("other", Ledger()) for id, host in hosts.items()}
            await agreed(those)
            await those[1].propose_many([b"%d" % n for n in range(25)])
            await hosts[1].add(4)
            await hosts[1].remove(3)
            await those[1].propose_many([b"%d" % n for n in range(25, 30)])
            await agreed({id: others[id] for id in (1, 2, 4)})
            await others[1].propose_many([b"a", b"b", b"c"])
            for id in (1, 2, 4):
                await those[id].read()
                await others[id].read()
            await asyncio.gather(*[host.close() for host in hosts.values()])

    asyncio.run(story())
    return folder


def told(folder: Path) -> tuple[list[str], list[str], dict[int, Any]]:
    """What a host that starts on a directory has, and who joins it."""

    async def story() -> tuple[list[str], list[str], dict[int, Any]]:
        address = f"127.0.0.1:{free_port()}"
        async with asyncio.timeout(60), Host(folder, listen=address, advertise=address, tuning=QUICK) as host:
            those = [host.replica(name, Ledger()) for name in ("ledger", "other")]
            for each in those:
                await each.wait_for_leader()
                await each.read()
            found = ledger(those[0]), ledger(those[1]), host.hosts
            joiner = Host.join(folder.parent / "joined", address, id=9, listen=f"127.0.0.1:{free_port()}", tuning=QUICK)
            async with joiner:
                copy = joiner.replica("ledger", Ledger())
                joiner.replica("other", Ledger())
                await host.add(9)
                await copy.read()
                assert ledger(copy) == found[0]
                await joiner.remove(host.id)
            return found

    return asyncio.run(story())


def test_a_backup_is_restored(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["backup", str(old / "2"), str(tmp_path / "file")]) == 0
    assert capsys.readouterr().out.startswith("group 'ledger': up to entry ")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    line = ["restore", str(tmp_path / "file"), "--to", str(tmp_path / "new"), "--id", "7", "--address", "here:1"]
    assert cli.main(line) == 0
    assert "member 7, the only one of the new cluster" in capsys.readouterr().out
    entries, others, hosts = told(tmp_path / "new")
    assert entries == [str(n) for n in range(30)]
    assert others == ["a", "b", "c"]
    assert list(hosts) == [7]
    # What exists already is never overwritten.
    assert cli.main(["backup", str(old / "2"), str(tmp_path / "file")]) == 1
    assert cli.main(line) == 1
    assert "holds data already" in capsys.readouterr().err


def test_a_new_cluster_of_the_survivors(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["recover", str(old / "4"), str(old / "2"), "--to", str(tmp_path / "new")]
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert cli.main(line) == 1
    assert not (tmp_path / "new").exists()
    text = capsys.readouterr().out
    assert "members [1, 2, 4]; directories of [2, 4] are here" in text
    assert "left behind: [1]" in text
    assert "may not have been committed" in text
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert cli.main(line) == 0
    assert "the directory of member 4" in capsys.readouterr().out
    entries, others, hosts = told(tmp_path / "new")
    assert entries == [str(n) for n in range(30)]
    assert others == ["a", "b", "c"]
    assert list(hosts) == [4]


def test_directories_that_do_not_fit(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["--to", str(tmp_path / "new"), "--yes"]
    assert cli.main(["recover", str(tmp_path / "nothing"), *to]) == 1
    (tmp_path / "empty").mkdir()
    assert cli.main(["recover", str(tmp_path / "empty"), *to]) == 1
    directory = Directory(old / "1")
    assert cli.main(["recover", str(old / "1"), *to]) == 1
    directory.close()
    assert "is in use" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_damaged_backup_is_told(old: Path) -> None:
    directory = Directory(old / "1", reading=True)
    made = io.BytesIO()
    write_backup(made.write, OldDirectory(directory))
    directory.close()
    data = made.getvalue()

    def read(given: bytes) -> int:
        return sum(len(list(group.entries)) for group in Backup(io.BytesIO(given)).groups())

    assert read(data) > 10
    places = sorted({*range(0, len(data), 7), *range(40), len(data) - 1})
    for at in places:
        with pytest.raises(Corruption):
            read(data[:at])
        with pytest.raises(Corruption):
            read(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
    with pytest.raises(Corruption, match="does not end"):
        read(data + b"x")
