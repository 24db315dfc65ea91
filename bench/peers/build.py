"""Builds the peer programs whose toolchains are installed: ``python -m bench.peers.build``."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from google.protobuf.internal import api_implementation

from tools.turns import turn

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent
OUT = ROOT / "build" / "bench"


class Missing(Exception):
    """A peer's requirement is missing; the text says which."""


def tool(name: str) -> str:
    """The path of a program; raises Missing."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"there is no {name}")
    return found


def _run(command: list[str], cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Missing(f"{command[0]} failed: {(done.stdout + done.stderr).strip()[-2000:]}")


def _go(name: str, options: list[str], module: str = "go", package: str = ".") -> list[str]:
    go = tool("go")
    program = OUT / name
    with turn(OUT / f"{name}.lock"):
        _run([go, "build", *options, "-o", str(program), package], SOURCES / module)
    return [str(program)]


def _durable(name: str) -> list[str]:
    return _go(f"durable-{name}", [], "durable", f"./{name}")


def go37() -> list[str]:
    """etcd's raft 3.7; raises Missing."""
    return _go("go37", [])


def go36() -> list[str]:
    """etcd's raft 3.6; raises Missing."""
    return _go("go36", ["-modfile=go36.mod", "-tags=raft36"])


def _rust(codec: str, **environment: str) -> list[str]:
    cargo = tool("cargo")
    target = OUT / "rust"  # shared by both peers, because they have most dependencies in common
    options = ["--release", "--quiet", "--no-default-features", "--features", f"{codec}-codec"]
    program = OUT / f"rust-{codec}"
    new = program.with_suffix(".new")
    # Both codecs' programs are built under one name; and one that runs elsewhere can be replaced, but not written.
    with turn(OUT / "rust.lock"):
        _run([cargo, "build", *options], SOURCES / "rust", CARGO_TARGET_DIR=str(target), **environment)
        shutil.copy2(target / "release" / "raftcy-bench-rust", new)
        new.replace(program)
    return [str(program)]


def rust() -> list[str]:
    """raft-rs with its default messages, rust-protobuf's; raises Missing."""
    return _rust("protobuf")


def rust_prost() -> list[str]:
    """raft-rs with prost's messages, whose generation needs a protoc; raises Missing."""
    protoc = Path(sys.executable).with_name("protoc")
    return _rust("prost", PROTOC=str(protoc) if protoc.exists() else os.environ.get("PROTOC") or tool("protoc"))


def upb() -> list[str]:
    """protobuf's own codec, if it is the C one; raises Missing."""
    kind = api_implementation.Type()
    if kind != "upb":
        raise Missing(f"protobuf's codec here is not upb, it is {kind}")
    return [sys.executable, "-m", "bench.peers.python.upb"]


def _pysyncobj(module: str) -> list[str]:
    if importlib.util.find_spec("pysyncobj") is None:
        raise Missing("there is no PySyncObj (the dependency group bench)")
    return [sys.executable, "-m", module]


def pysyncobj() -> list[str]:
    """PySyncObj; raises Missing."""
    return _pysyncobj("bench.peers.python.syncobj")


def pysyncobj_journal() -> list[str]:
    """PySyncObj with a journal in a file; raises Missing."""
    return [*pysyncobj(), "--journal"]


PEERS: dict[str, Callable[[], list[str]]] = {
    "go37": go37,
    "go36": go36,
    "rust": rust,
    "rust-prost": rust_prost,
    "upb": upb,
    "pysyncobj": pysyncobj,
    "pysyncobj-journal": pysyncobj_journal,
}
# What ``bench.durable`` runs.
DURABLE: dict[str, Callable[[], list[str]]] = {
    "etcdraft": lambda: _durable("etcdraft"),
    "etcdraft-batch": lambda: [*_durable("etcdraft"), "--log", "batch"],
    "dragonboat": lambda: [*_durable("dragonboat"), "--log", "tan"],
    "hashicorp": lambda: _durable("hashicorp"),
    "pysyncobj": lambda: _pysyncobj("bench.peers.durable.syncobj"),
    "pysyncobj-seq": lambda: [*_pysyncobj("bench.peers.durable.syncobj"), "--log", "seq"],
}


def build_all(wanted: Iterable[str] = PEERS) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The command of every wanted peer that could be built, and the reasons for the others. Says what it builds."""
    OUT.mkdir(parents=True, exist_ok=True)
    commands: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    names = [name for name in PEERS if name in set(wanted)]
    for number, name in enumerate(names, 1):
        # The first time, Go and Rust fetch and compile for minutes.
        print(f"building {name} ({number} of {len(names)} peers)", file=sys.stderr, flush=True)
        try:
            commands[name] = PEERS[name]()
        except Missing as reason:
            missing[name] = str(reason)
    return commands, missing


def main() -> int:
    """Build the peers, and print which are left out."""
    commands, missing = build_all()
    for name, command in commands.items():
        print(f"{name}: {' '.join(command)}")
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
