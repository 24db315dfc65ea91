"""The wire peer alone: its command line, input and output, compared with the reference's peer."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raftcy.rafttest.goflags import Flag, FlagError, HelpAsked, parse
from tests.support.needs import ROOT
from tests.support.wire_peers import GO, OURS, Cluster, free_addresses

# No tick comes, so only commands do something.
NEVER = 1_000_000
FLAGS = {"n": Flag(7, "a number", least=1), "s": Flag("", "a text"), "b": Flag(False, "a switch")}


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run raftcy's peer until it exits."""
    line = [sys.executable, "-m", "raftcy.rafttest", "wirepeer", *arguments]
    return subprocess.run(line, input=stdin, cwd=ROOT, capture_output=True, timeout=60)


STORIES = {
    "commands": (
        b"early\n\n!conf l2\n!status\n!digest\n!campaign\ntwo  words\n!status\n!digest\n!read a  b\n!read\n"
        b"!conf l2\n!conf u2 u2\n!conf x2\n!conf l\n!conf v2x\n!conf l99999999999999999999\n!conf\n!conf   r2  l3\n"
        b"!transfer\n!transfer 1\n!transfer 7\n!transfer abc\n!transfer -1\n!transfer 18446744073709551616\n"
        b"!forget\n!what is this\n!\n! quit\n!isolate x\n!isolate 1\n!isolate 0\n!status more words\n!quit\n"
    ),
    "data": b"!campaign\nplain\nwith\r\n\xff\xfe\x00\x01\n\r\n\r\r\n" + b"x" * 100_000 + b"\n \n!digest\n!quit\n",
    "compaction": b"!campaign\n" + b"".join(b"%d\n" % i for i in range(40)) + b"!status\n!digest\n!quit\n",
    "no quorum": b"!campaign\na\n!conf v2\nb\nc\n!status\n!read r\n!campaign\n!digest\n!quit\n",
}


@pytest.mark.parametrize("flags", [(), ("-compact", "3"), ("-prevote", "-checkquorum=true"), ("-maxsize=1",)])
@pytest.mark.parametrize("story", STORIES)
def test_a_single_node_prints_what_the_reference_prints(
    start: Callable[..., Cluster], story: str, flags: tuple[str, ...]
) -> None:
    outputs = []
    for kind in (GO, OURS):
        cluster = start((kind,), *flags, tick=NEVER)
        peer = cluster[1]
        peer.process.stdin.write(STORIES[story])
        peer.process.stdin.flush()
        assert peer.quit_by_input() == 0, peer.stderr()
        outputs.append([line for line in peer.lines() if not line.startswith("# listening 127.0.0.1:")])
    assert outputs[1] == outputs[0]
    assert len(outputs[0]) > 5


def test_a_committed_change_that_is_refused_is_noted_and_digested() -> None:
    """The reference stops there."""
    (address,) = free_addresses(1)
    done = run("-id", "1", "-peers", f"1={address}", stdin=b"!campaign\n!conf r1\nafter\n!quit\n")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    at = lines.index("# error removed all voters")
    assert [line.split()[:2] for line in lines[at + 1 :]] == [["3", "2"], ["4", "2"]]
    assert lines[-1] == f"4 2 {b'after'.hex()}"


def test_it_says_first_where_it_listens() -> None:
    (address,) = free_addresses(1)
    done = run("-id", "1", "-peers", f"1={address}", stdin=b"!quit\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[0].decode() in (f"# listening {address}", "1 1 10001801")
    assert f"# listening {address}".encode() in done.stdout.splitlines()


def test_input_may_be_a_file(tmp_path: Path) -> None:
    (address,) = free_addresses(1)
    path = tmp_path / "input"
    path.write_bytes(b"!campaign\nfrom a file\n!quit")
    line = [sys.executable, "-m", "raftcy.rafttest", "wirepeer", "-id=1", f"-peers=1={address}"]
    with path.open("rb") as file:
        done = subprocess.run(line, stdin=file, cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"from a file".hex().encode() in done.stdout


def test_the_end_of_input_does_not_end_the_node() -> None:
    (address,) = free_addresses(1)
    line = [sys.executable, "-m", "raftcy.rafttest", "wirepeer", "--id", "1", "--peers", f"1={address}", "-tick", "5"]
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        # It elects itself after some ticks.
        assert any(b"state StateLeader" in text for text in iter(process.stdout.readline, b""))
        assert process.poll() is None
        process.kill()


def test_verbose_logs_to_standard_error() -> None:
    (address,) = free_addresses(1)
    done = run("-id", "1", "-peers", f"1={address}", "-v", stdin=b"!campaign\n!quit\n")
    assert b"[1] " in done.stderr
    assert b"INFO: 1 became leader at term 2" in done.stderr
    assert b"became leader" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("-x",), 2, "flag provided but not defined: -x"),
        (("-id",), 2, "flag needs an argument: -id"),
        (("-id", "x"), 2, 'invalid value "x" for flag -id: parse error'),
        (("-prevote=maybe",), 2, 'invalid value "maybe" for flag -prevote: parse error'),
        (("-tick", "0"), 2, 'invalid value "0" for flag -tick: value out of range'),
        (("-id", "1"), 1, 'bad peer ""'),
        (("-id", "1", "-peers", "1=127.0.0.1:1,x"), 1, 'bad peer "x"'),
        (("-id", "1", "-peers", "0=127.0.0.1:1"), 1, 'bad peer "0=127.0.0.1:1"'),
        (("-id", "3", "-peers", "1=127.0.0.1:1"), 1, "-id 3 is not in -peers"),
        (("-id", "1", "-peers", "1=127.0.0.1:0", "-election", "1"), 1, "election tick must be greater than heartbeat"),
        (("-id", "1", "-peers", "1=127.0.0.1:0", "-inflight", "0"), 1, "max inflight messages must be greater than 0"),
        (("-h",), 0, "Usage of wirepeer"),
    ],
)
def test_a_wrong_command_line(arguments: tuple[str, ...], status: int, text: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert text in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_an_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("-id", "1", "-peers", f"1=127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert b"address already in use" in done.stderr


def test_flags_are_read_as_go_reads_them() -> None:
    assert parse(FLAGS, []) == {"n": 7, "s": "", "b": False}
    assert parse(FLAGS, ["-n", "3", "--s=a=b", "-b"]) == {"n": 3, "s": "a=b", "b": True}
    assert parse(FLAGS, ["-b=false", "-n=0x10", "-s", ""]) == {"n": 16, "s": "", "b": False}
    # Parsing ends at a word that is not a flag, and after two dashes.
    assert parse(FLAGS, ["-n", "3", "word", "-b"])["b"] is False
    assert parse(FLAGS, ["--", "-b"])["b"] is False
    assert parse(FLAGS, ["-", "-b"])["b"] is False
    assert parse(FLAGS, ["-s", "-b"]) == {"n": 7, "s": "-b", "b": False}
    for argv in (["-n"], ["-n", "1.5"], ["-n", "0"], ["-n", "18446744073709551616"], ["-b=2"], ["-q"], ["-n="]):
        with pytest.raises(FlagError):
            parse(FLAGS, argv)
    with pytest.raises(HelpAsked):
        parse(FLAGS, ["-help"])


def test_a_frame_that_is_too_long_ends_only_its_connection(start: Callable[..., Cluster]) -> None:
    cluster = start((OURS,), tick=NEVER)
    peer = cluster[1]
    cluster.until(lambda: peer.notes("listening "), "address")
    host, port = peer.notes("listening ")[0].split()[1].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"\0\0\0\x10RAFTWIR1" + (9).to_bytes(8, "big") + b"\xff\xff\xff\xff")
        assert connection.recv(1) == b""
    peer.say("!campaign", "still there")
    cluster.until(lambda: b"still there".hex() in str(peer.log()), "proposal")
    cluster.stop()
