"""Programs in Go that ask the server: etcd's own, and ours on etcd's client. They are built once, in build/etcd.

With RAFTCY_ETCD_TOOLS, programs that were built before are taken from that folder.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.support.needs import ROOT, needs_go

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
COMMON = "go.etcd.io/etcd/tests/v3/common"


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
    """The path of a program: goclient, etcdctl, benchmark, etcd-real or common.test."""
    given = os.environ.get("RAFTCY_ETCD_TOOLS")
    if given and Path(given, name).exists():
        return Path(given, name).resolve()
    needs_go()
    OUT.mkdir(parents=True, exist_ok=True)
    program = OUT / name
    if name == "goclient":
        _go("build", "-o", str(program), ".", cwd=HERE / "goclient")
    elif program.exists():
        return program
    elif name == "common.test":
        folder = _module(name)
        _go("get", "-t", f"{COMMON}@{VERSION}", cwd=folder)
        _go("test", "-c", "-tags", "e2e", "-o", str(program), COMMON, cwd=folder)
    else:
        package, version = _PACKAGES[name]
        folder = _module(name)
        _go("get", f"{package}@{version}", cwd=folder)
        _go("build", "-o", str(program), package, cwd=folder)
    return program


def source_of_common() -> Path:
    """The folder of etcd's test suite, beside which its certificates lie."""
    folder = _module("common.test")
    _go("get", "-t", f"{COMMON}@{VERSION}", cwd=folder)
    return Path(_go("list", "-m", "-f", "{{.Dir}}", "go.etcd.io/etcd/tests/v3", cwd=folder).strip()) / "common"


def run(program: Path, *arguments: str, timeout_s: float = 120.0) -> str:
    """Run a program, and return what it prints; it fails the test unless it ends with 0."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
