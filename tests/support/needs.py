"""Finds what a test needs besides Python: shared files and toolchains.

Each function returns what it found. If it is missing, the test is skipped with a reason that names it. With RAFTCY_CI=1
the test fails instead, because there everything should be present and nothing may be left out unseen.
"""

import importlib.util
import os
import shutil
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# Without the interpreter's lock, objects are larger, and memory is freed only after every thread has passed a safe
# point.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
IN_CI = os.environ.get("RAFTCY_CI", "") not in ("", "0")
# Whether the running test is `full`; tests/conftest.py sets it.
toolchains_allowed = True
_SHARED = Path(os.environ.get("RAFTCY_SHARED") or ROOT.parent / "shared")


def missing(what: str) -> NoReturn:
    """Skip the running test because `what` is missing; in CI, fail it."""
    if IN_CI:
        pytest.fail(f"needs {what}, which RAFTCY_CI promises", pytrace=False)
    pytest.skip(f"needs {what}")


def needs_shared(*parts: str) -> Path:
    """The shared folder, or a path in it: `../shared` beside the checkout, or the folder in RAFTCY_SHARED."""
    path = _SHARED.joinpath(*parts)
    if not path.exists():
        missing(f"{path} (set RAFTCY_SHARED to the folder that holds conformance/ and oracle/)")
    return path


def shared_files(folder: str, pattern: str = "*.txt") -> list[object]:
    """One parameter for each file in a shared folder, by name; for `pytest.mark.parametrize`.

    If the folder is missing, there is one parameter whose test is skipped, or fails in CI.
    """
    paths = sorted((_SHARED / folder).glob(pattern))
    if not paths and IN_CI:
        raise FileNotFoundError(f"{_SHARED / folder} holds no {pattern}, which RAFTCY_CI promises")
    skip = pytest.mark.skip(reason=f"needs {_SHARED / folder} (set RAFTCY_SHARED)")
    return [pytest.param(path, id=path.stem) for path in paths] or [pytest.param(None, id="missing", marks=skip)]


def needs_tool(name: str) -> str:
    """The path of a program."""
    return shutil.which(name) or missing(f"the program {name}")


def _needs_toolchain(name: str) -> str:
    """The path of another language's compiler or runtime. Fails for a test of `make test`, which may not need one."""
    if not toolchains_allowed:
        pytest.fail(f"{name} is for tests marked `full`: `make test` needs nothing but Python", pytrace=False)
    return needs_tool(name)


@cache
def _version(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def needs_go() -> str:
    """The path of a Go toolchain that can build the oracle (1.26 or later)."""
    go = _needs_toolchain("go")
    words = _version((go, "version")).split()
    release = next((word[2:] for word in words if word.startswith("go1.")), "")
    if not release or tuple(int(part) for part in release.split(".")[:2] if part.isdigit()) < (1, 26):
        missing(f"Go 1.26 or later ({go} is {release or 'of unknown version'})")
    return go


def needs_cargo() -> str:
    """The path of cargo, to build and format Rust."""
    return _needs_toolchain("cargo")


def needs_package(name: str) -> None:
    """A Python package from a dependency group that the suite itself does not need."""
    if importlib.util.find_spec(name) is None:
        missing(f"the package {name} (make bench installs it)")


def needs_java() -> str:
    """The path of a Java runtime."""
    return _needs_toolchain("java")


def tracked_files(*options: str) -> list[str] | None:
    """The files in `git ls-files`; None without git, outside a checkout, or in another user's checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    done = subprocess.run([git, "ls-files", "-z", *options], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return [name for name in done.stdout.split("\0") if name] if done.returncode == 0 else None


def needs_tracked_files() -> list[str]:
    """The files that git tracks."""
    files = tracked_files()
    return missing("git, and a git checkout that is this user's") if files is None else files


def needs_compiler() -> str:
    """The path of a C compiler."""
    return shutil.which(os.environ.get("CC", "cc").split()[0]) or shutil.which("gcc") or missing("a C compiler")
