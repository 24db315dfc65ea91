"""A copy of the package and its tests, in which the core can be edited and commands can run.

The copy has no extension modules, so it always runs the pure build of the edited source.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .edit import ROOT, Edit, edited_files

COPIED = ("raftcy", "tests", "pyproject.toml")
MEMORY_KIB = 4 << 20
# Extensions would hide the edits; the rest is large and not needed here.
LEFT_OUT = shutil.ignore_patterns("*.so", "*.pyd", "oracle", "packaging", "wirepeer", ".*")


StrPath = str | os.PathLike[str]
_running: set["subprocess.Popen[str]"] = set()
_lock = threading.Lock()
_stopped = threading.Event()


@contextmanager
def tree(edits: Iterable[Edit] = ()) -> Iterator[Path]:
    """A copy with these edits, deleted at the end. Raises Moved if an edit does not fit."""
    texts = edited_files(edits)
    with tempfile.TemporaryDirectory(prefix="raftcy-mutant-") as name:
        folder = Path(name)
        for each in COPIED:
            if (ROOT / each).is_dir():
                shutil.copytree(ROOT / each, folder / each, ignore=LEFT_OUT, copy_function=_link)
            else:
                _link(ROOT / each, folder / each)
        for file, text in texts.items():
            path = folder / "raftcy" / file
            path.unlink()  # so that the original stays as it is
            path.write_text(text, encoding="utf-8")
            for stale in path.parent.glob(f"__pycache__/{path.stem}.*"):
                stale.unlink()
        yield folder


def _link(source: StrPath, target: StrPath) -> None:
    """Give a file a second name, or copy it with its time, so that its bytecode stays valid in the copy."""
    try:
        os.link(source, target)
    except OSError:  # the folders are on two file systems, or on one without links
        shutil.copy2(source, target)


def run(folder: Path, arguments: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in a copy, on its pure build. Output and errors come as one text."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAFTCY_") or "SHARED" in key}
    environment.update(RAFTCY_PURE_PYTHON="1", PYTHONPATH=str(folder))
    environment.pop("PYTEST_ADDOPTS", None)
    # A fault may make the core loop endlessly and take more and more memory.
    bounded = ["sh", "-c", f'ulimit -v {MEMORY_KIB} 2>/dev/null; exec "$@"', "sh"]
    with _lock:
        if _stopped.is_set():
            raise InterruptedError("all runs were stopped")
        process = subprocess.Popen(
            [*bounded, sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A group of its own, so that all of it can be ended.
            start_new_session=True,
        )
        _running.add(process)
    try:
        told, _ = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(process.args, process.returncode, told)
    finally:
        _end(process)
        process.wait()
        with _lock:
            _running.discard(process)


def stop_all() -> None:
    """End whatever runs in any copy, whichever thread waits for it, and let nothing begin there any more."""
    with _lock:
        _stopped.set()
        for process in _running:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a process that has not been waited for, with all that it has started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
