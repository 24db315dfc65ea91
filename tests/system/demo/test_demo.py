"""The demo from its command line: processes, a file, the loss of the leader and of all, and failures."""

import hashlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import raftcy
from raftcy.demo import DemoError
from raftcy.demo.lines import MAX_FILE_BYTES, MAX_RECORD_BYTES, examine, make_file, read_records
from raftcy.demo.ports import free_ports
from raftcy.demo.tally import Machine, command
from raftcy.machines import Command
from tests.support.needs import ROOT, needs_tool

pytestmark = pytest.mark.waits(80)

# Elections take a third of their usual time.
QUICK = ("--tick-ms", "20")
SECONDS = 120


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    command_line = [sys.executable, "-m", "raftcy", "demo", *map(str, arguments)]
    return subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)


def interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo running on a file that takes it a while, as from a terminal: a shell may ignore SIGINT."""
    path = tmp_path / "records.txt"
    make_file(path, 100_000)
    line = [sys.executable, "-m", "raftcy", "demo", "--tick-ms", "200", str(path)]
    # What a demo leaves that is killed itself is removed with the test's folder.
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment}
    with subprocess.Popen(line, cwd=ROOT, preexec_fn=interruptible, **pipes) as process:
        yield process
        if process.poll() is None:
            process.kill()


def members(process: subprocess.Popen[str]) -> list[int]:
    """The processes of the nodes, once the demo says that it has started them."""
    found: list[int] = []
    assert process.stdout is not None
    while len(found) < 3:
        line = process.stdout.readline()
        assert line, "the demo ended early"
        found += [int(number) for number in re.findall(r"^node \d: process (\d+)", line)]
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return b"raftcy.demo.worker" in Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc/self").exists() else True


def all_end(pids: list[int]) -> bool:
    end = time.monotonic() + 10
    while any(is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(is_alive(pid) for pid in pids)


def expect_success(path: Path, records: int, *arguments: object) -> str:
    """Run the demo on a file, and check its report."""
    done = demo(*QUICK, *arguments, path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = done.stdout.splitlines()
    assert lines[-1] == f"demo ok: {records} records, digest {digest}, on 3 survivors"
    assert f"{raftcy.BUILD} build; their state is on disk" in lines[0]
    assert lines.count("the first record is on the disks of a majority, and applied") == 1
    assert sum("is killed (SIGKILL)" in line for line in lines) == 1
    assert sum("are killed at once (SIGKILL)" in line for line in lines) == 1
    rows = [line.split() for line in lines if digest[:16] in line and "…" in line]
    assert [row[3] for row in rows] == [f"{records:,}"] * 3
    assert {row[1] for row in rows} == {"leader", "follower"}
    return done.stdout


def test_a_file_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "records.txt"
    make_file(path, 5000)
    shown = expect_success(path, 5000)
    first = re.search(r"is killed \(SIGKILL\) with ([\d,]+) of 5,000 records committed", shown)
    then = re.search(r"are killed at once \(SIGKILL\) with ([\d,]+) of 5,000 records committed", shown)
    assert first
    assert then
    assert 1666 <= int(first[1].replace(",", "")) <= 2500
    assert 3333 <= int(then[1].replace(",", "")) <= 4166
    percent = [int(number) for number in re.findall(r"^ *(\d+) %  [\d,]+ records committed$", shown, re.MULTILINE)]
    assert percent == sorted(percent)
    assert percent[-1] == 100
    assert re.search(r"^records/s +[\d,]+ ", shown, re.MULTILINE)
    for outage in ("failover", "restart"):
        assert re.search(rf"^{outage} +[\d.]+ s  from ", shown, re.MULTILINE)
    assert "TLS 1.3 between the nodes" in shown or shutil.which("openssl") is None


def test_without_openssl(tmp_path: Path) -> None:
    """It says so, and goes on without TLS."""
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\n")
    line = [sys.executable, "-m", "raftcy", "demo", *QUICK, str(path)]
    environment = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no TLS between the nodes: there is no openssl to make certificates\n" in done.stdout


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\n")
    line = [sys.executable, "-m", "raftcy", "demo", *QUICK, str(path)]
    left = tmp_path / "left"
    left.mkdir()
    environment = os.environ | {"TMPDIR": str(left)}
    subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=SECONDS)
    assert list(left.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"one", 1),
        (b"one\n", 1),
        (b"\n\n\n", 3),
        (b"a\r\nb\r\n\r\nc", 4),
        (bytes(range(256)) * 50, 51),
        (b"short\n" + b"x" * (3 << 20) + b"\nend\n", 1 + 49 + 1),
    ],
    ids=["no line end", "one line", "empty lines", "crlf", "binary", "long line"],
)
def test_any_file_is_replicated_byte_for_byte(tmp_path: Path, content: bytes, records: int) -> None:
    path = tmp_path / "any file"
    path.write_bytes(content)
    shown = expect_success(path, records)
    assert ("lines longer than 64 KiB are cut: 48 records" in shown) == (len(content) > 1 << 20)


def test_the_demo_makes_its_own_file() -> None:
    done = demo(*QUICK, "--records", 3000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch("demo ok: 3000 records, digest [0-9a-f]{64}, on 3 survivors", done.stdout.splitlines()[-1])
    made = re.search("^file: (.*), 3,000 records", done.stdout, re.MULTILINE)
    assert made
    assert not Path(made[1]).exists()


def test_the_made_file_holds_records_that_all_differ(tmp_path: Path) -> None:
    path = tmp_path / "made.txt"
    make_file(path, 60_000)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(set(lines)) == len(lines) == 60_000
    assert examine(path).records == 60_000
    assert lines[1].startswith(b"U+0021;EXCLAMATION MARK;Po;ON;0;")
    with pytest.raises(DemoError, match="the table of characters has only"):
        make_file(path, 10_000_000)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "cannot read {path}: No such file or directory"),
        (lambda path: path.mkdir(), "cannot read {path}: it is a directory"),
        (lambda path: path.touch(), "{path} is empty: there is nothing to replicate"),
        (os.mkfifo, "cannot read {path}: it is not a regular file, and the demo reads it twice"),
        (lambda path: path.symlink_to(path), "cannot read {path}: Too many levels of symbolic links"),
    ],
    ids=["missing", "directory", "empty", "pipe", "loop"],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, make: object, text: str) -> None:
    path = tmp_path / "file"
    assert callable(make)
    make(path)
    done = demo(path)
    assert (done.returncode, done.stderr) == (1, f"raftcy demo: {text.format(path=path)}\n")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may read everything, so a mock refuses to open the file."""

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "secret"
    path.write_bytes(b"x\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DemoError, match=r"cannot read .*secret: Permission denied"):
        examine(path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DemoError, match="it has 256 MiB, and the nodes keep at most 256 MiB in memory"):
        examine(path)


def test_a_port_in_use(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x\n")
    base = free_ports(3)[0]
    with socket.create_server(("127.0.0.1", base + 1)):
        done = demo("--port", base, path)
    assert done.returncode == 1
    assert done.stderr == f"raftcy demo: node 2 cannot listen on 127.0.0.1:{base + 1}: Address already in use\n"


@pytest.mark.parametrize(
    "arguments", [("--port", "0"), ("--port", "65534"), ("--records", "0"), ("--tick-ms", "x"), ("a", "b"), ("--what",)]
)
def test_a_wrong_command_line(arguments: tuple[str, ...]) -> None:
    done = demo(*arguments)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert done.stdout == ""


def test_ports_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\nc\n")
    base = free_ports(3)[0]
    shown = expect_success(path, 3, "--port", base)
    for number in range(3):
        assert f"on 127.0.0.1:{base + number}\n" in shown


def test_a_process_that_dies_ends_the_demo(running: subprocess.Popen[str]) -> None:
    pids = members(running)
    os.kill(pids[1], signal.SIGKILL)
    output, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert f"raftcy demo: node 2 (process {pids[1]}) ended by signal 9\n" in output
    assert all_end(pids)


@pytest.mark.parametrize(
    ("number", "status", "text"),
    [
        (signal.SIGINT, 130, "raftcy demo: interrupted\n"),
        (signal.SIGTERM, 143, "raftcy demo: terminated\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_no_process_outlives_the_demo(running: subprocess.Popen[str], number: int, status: int, text: str) -> None:
    pids = members(running)
    running.send_signal(number)
    output, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == status
    assert output.endswith(text)
    assert "Traceback" not in output
    assert all_end(pids)


def test_output_that_nobody_reads_ends_the_demo(tmp_path: Path) -> None:
    path = tmp_path / "file"
    make_file(path, 1000)
    line = [sys.executable, "-m", "raftcy", "demo", *QUICK, str(path)]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        pids = members(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(SECONDS) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert all_end(pids)


@pytest.mark.once
@pytest.mark.parametrize("name", ["plain", "two words", 'it\'s "quoted"', "$(id); `id`"])
def test_make_hands_over_any_name(name: str) -> None:
    given = name.replace("$", "$$")  # make's own escape
    line = [needs_tool("make"), "-s", "-n", "demo", f"FILE={given}"]
    recipe = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True, timeout=SECONDS).stdout
    (command_line,) = [each for each in recipe.splitlines() if " -m raftcy demo" in each]
    shown = re.sub(r"\S+/python -m raftcy demo", "printf '%s\\\\n'", command_line)
    done = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout == f"{name}\n"


@pytest.mark.once
def test_make_runs_the_pure_build_at_once_if_asked(tmp_path: Path) -> None:
    """Nothing is installed or compiled, and it says which build that is."""
    path = tmp_path / "file"
    path.write_bytes(b"a\nb\n")
    line = [needs_tool("make"), "-s", "demo", "PURE=1", f"PYTHON={sys.executable}", f"FILE={path}"]
    line += [f"VENV={tmp_path / 'none'}"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    assert shown[0] == "PURE=1: the pure build runs, 25 to 50 times slower; nothing is installed or compiled"
    assert "3 processes, pure build" in shown[1]
    assert shown[-1].startswith("demo ok: 2 records")
    assert not (tmp_path / "none").exists()


def test_version_and_help() -> None:
    for option in ("--version", "--help"):
        line = [sys.executable, "-m", "raftcy", option]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
        assert (done.returncode, done.stderr) == (0, "")
        assert "raftcy" in done.stdout


def test_records_are_cut_at_line_ends_and_at_their_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = b"a\n" + b"x" * MAX_RECORD_BYTES + b"yz\nlast"
    path.write_bytes(content)
    records = list(read_records(path))
    assert [len(record) for record in records] == [2, MAX_RECORD_BYTES, 3, 4]
    assert b"".join(records) == content
    summary = examine(path)
    assert (summary.records, summary.cut, summary.size) == (4, 1, len(content))
    assert summary.digest == hashlib.sha256(content).hexdigest()


def put(machine: Machine, number: int, record: bytes) -> bool:
    return machine.apply_one(Command(1, 1, command(number, record), 0, 0))


def test_a_record_is_applied_once_and_in_order() -> None:
    machine = Machine()
    told = [(1, b"a"), (1, b"a"), (3, b"c"), (2, b"b"), (3, b"c"), (2, b"b"), (5, b"e")]
    assert [put(machine, *each) for each in told] == [True, True, False, True, True, True, False]
    assert (machine.records, machine.repeated, machine.early) == (3, 2, 2)
    assert machine.digest() == hashlib.sha256(b"abc").hexdigest()


def test_the_state_of_the_machine_travels_in_a_snapshot() -> None:
    machine, other = Machine(), Machine()
    for each in [(1, b"one"), (2, b""), (2, b"two"), (4, b"four"), (3, b"three\n")]:
        put(machine, *each)
    put(other, 1, b"something else")
    file = io.BytesIO()
    machine.capture().write(file)
    other.restore(io.BytesIO(file.getvalue()))
    for restored in (machine, other):
        assert (restored.records, restored.repeated, restored.early) == (3, 1, 1)
        assert restored.digest() == hashlib.sha256(b"onethree\n").hexdigest()
        assert put(restored, 4, b"four")
        assert (restored.records, restored.digest()) == (4, hashlib.sha256(b"onethree\nfour").hexdigest())
