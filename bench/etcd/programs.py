"""The programs that are compared with, and the tool that loads them all.

Programs in Go are built from their modules into build/etcd, or taken from the folder that RAFTCY_ETCD_TOOLS names.
etcd 3.4 is Debian's package, unpacked beside them; nothing is installed.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tools.turns import turn

from ..peers.build import ROOT, Missing, tool

OUT = ROOT / "build" / "etcd"
TOOLS = "RAFTCY_ETCD_TOOLS"
# A package, and the version of its module. The last release of the module that has the benchmark is 3.6.8.
PACKAGES = {
    "etcd-real": ("go.etcd.io/etcd/server/v3", "v3.7.3"),
    "benchmark": ("go.etcd.io/etcd/v3/tools/benchmark", "v3.6.8"),
}
_ENVIRONMENT = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
_DEBIAN = "etcd-server"


def _run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Missing(f"{' '.join(command[:3])} failed: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


def go_program(name: str) -> Path:
    """Build a program in Go, unless it is there. Raises Missing."""
    given = os.environ.get(TOOLS)
    if given and Path(given, name).exists():
        return Path(given, name).resolve()
    program = OUT / name
    with turn(OUT / f"{name}.lock"):
        if not program.exists():
            _build(name, program)
    return program.resolve()


def _build(name: str, program: Path) -> None:
    go = tool("go")
    package, version = PACKAGES[name]
    folder = OUT / "modules" / name
    if not (folder / "go.mod").exists():
        # An empty module: etcd's own have directives for which `go install` refuses them.
        folder.mkdir(parents=True, exist_ok=True)
        _run([go, "mod", "init", f"check/{name}"], folder, **_ENVIRONMENT)
    _run([go, "get", f"{package}@{version}"], folder, **_ENVIRONMENT)
    _run([go, "build", "-o", str(program), package], folder, **_ENVIRONMENT)


def debian_etcd() -> Path:
    """Unpack Debian's etcd, unless it is there. Raises Missing."""
    given = os.environ.get(TOOLS)
    if given and Path(given, "etcd-3.4").exists():
        return Path(given, "etcd-3.4").resolve()
    folder = OUT / "debian"
    program = folder / "root" / "usr" / "bin" / "etcd"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run([tool("apt-get"), "download", _DEBIAN], folder)
        packages = sorted(folder.glob(f"{_DEBIAN}_*.deb"))
        if not packages:
            raise Missing(f"apt-get has brought no package {_DEBIAN}")
        _run([tool("dpkg"), "-x", str(packages[-1]), str(folder / "root")], folder)
    return program


def version_of(program: Path) -> str:
    """The version that a program of etcd's says it is."""
    first = _run([str(program), "--version"], ROOT).partition("\n")[0]
    return first.replace("etcd Version:", "etcd").strip()
