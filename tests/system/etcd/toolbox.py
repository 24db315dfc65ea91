"""Programs that ask the server: etcd's own in Go, ours on etcd's client, and Python with other people's clients.

They are built and installed once, in build/etcd. With RAFTCY_ETCD_TOOLS, programs in Go that were built before are
taken from that folder.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.needs import ROOT, missing, needs_go
from tools.turns import turn

OUT = ROOT / "build" / "etcd"
HERE = Path(__file__).parent
VERSION = "v3.7.3"
BENCHMARK_VERSION = "v3.6.8"
"""The last release of the module that has the benchmark."""
BUILD_S_MAX = 1500
ENVIRONMENT = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}

# A package, and the version of its module, for each program.
_PACKAGES = {
    "etcdctl": ("go.etcd.io/etcd/etcdctl/v3", VERSION),
    "etcd-real": ("go.etcd.io/etcd/server/v3", VERSION),
    "benchmark": ("go.etcd.io/etcd/v3/tools/benchmark", BENCHMARK_VERSION),
}
_TESTS = "go.etcd.io/etcd/tests/v3"
_COMMON = _TESTS + "/common"
PYTHONS = {
    "clients": ("aetcd==1.0.0", "etcd3gw==2.7.0", "grpcio"),
    # Its generated code is too old for every later protobuf.
    "etcd3": ("etcd3==0.12.0", "protobuf<4"),
    "patroni": ("patroni[etcd3,psycopg3]==4.1.5", "psycopg[binary]"),
}
"""What environments of Python are made of."""


def _go(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [needs_go(), *arguments],
        cwd=cwd,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=BUILD_S_MAX,
    )
    if done.returncode:
        pytest.fail(f"go {' '.join(arguments)}: {done.stderr[-2000:]}", pytrace=False)
    return done.stdout


def _module(name: str) -> Path:
    """An empty module: etcd's own have directives for which `go install` refuses them."""
    folder = OUT / "modules" / name
    if not (folder / "go.mod").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _go("mod", "init", f"check/{name}", cwd=folder)
    return folder


@cache
def built(name: str) -> Path:
    """The path of a program: goclient, etcdctl, benchmark or etcd-real."""
    given = os.environ.get("RAFTCY_ETCD_TOOLS")
    if given and Path(given, name).exists():
        return Path(given, name).resolve()
    program = OUT / name
    with turn(OUT / f"{name}.lock"):
        if name == "goclient":
            _go("build", "-o", str(program), ".", cwd=HERE / "goclient")
        elif not program.exists():
            package, version = _PACKAGES[name]
            folder = _module(name)
            _go("get", f"{package}@{version}", cwd=folder)
            _go("build", "-o", str(program), package, cwd=folder)
    return program


@cache
def suite() -> Path:
    """etcd's own suite, built with our list of clusters: ``common.test`` in the folder beside which its files lie."""
    folder = _module("common")
    _go("get", "-t", f"{_COMMON}@{VERSION}", cwd=folder)
    copy = folder / "copy"
    if not copy.exists():
        source = _go("list", "-m", "-f", "{{.Dir}}", _TESTS, cwd=folder).strip()
        shutil.copytree(source, copy, copy_function=shutil.copyfile)
        for each in (copy, *copy.rglob("*")):
            each.chmod(0o755 if each.is_dir() else 0o644)
        _go("mod", "edit", "-replace", f"{_TESTS}=./copy", cwd=folder)
    shutil.copyfile(HERE / "suite" / "cases.go", copy / "common" / "zz_cases_test.go")
    program = copy / "common" / "common.test"
    _go("test", "-c", "-tags", "e2e", "-o", str(program), _COMMON, cwd=folder)
    return program


@cache
def python_with(name: str, folder: Path = OUT) -> Path:
    """An interpreter with the packages of an entry of PYTHONS, in an environment below ``folder``."""
    place = folder / f"python-{name}"
    # PostgreSQL's user cannot run an interpreter in the home folder of root.
    system = Path("/usr/bin/python3")
    base = str(system) if name == "patroni" and system.exists() else sys.executable
    interpreter = place / "bin" / "python"
    marker = place / "installed"
    wanted = " ".join(PYTHONS[name])
    pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "install", "-q", *PYTHONS[name]]
    with turn(folder / f"python-{name}.lock"):
        if marker.exists() and marker.read_text() == wanted:
            return interpreter
        for command in ([base, "-m", "venv", "--clear", str(place)], pip):
            done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S_MAX)
            if done.returncode:
                missing(f"{wanted}, which cannot be installed: {done.stderr[-500:]}")
        marker.write_text(wanted)
    return interpreter


def run(program: Path, *arguments: str, timeout_s: float = 120.0, **environment: str) -> str:
    """Run a program, and return what it prints; it fails the test unless it ends with 0."""
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=timeout_s, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
