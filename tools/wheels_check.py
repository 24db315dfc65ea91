"""Builds the sdist and the wheels twice, repairs, installs and runs them: ``python -m tools.wheels_check PYTHON…``.

For each interpreter:

- the wheel is built in two folders with different names, at different times, and both must have equal bytes;
- auditwheel gives it the oldest manylinux tag that its symbols allow (on Linux);
- it is installed into a fresh environment, where a small cluster runs compiled and then pure, and ``raftcy --version``;
- its bill of materials is valid, and names what is in it.

Before that, the same for the sdist and the pure wheel, and ``twine check`` for all. The products are left in ``--out``.
The exit status is 0 if all held, and 1 otherwise. ``make wheels-check PYTHONS="python3.12 …"`` installs what it needs.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SMOKE = ROOT / "tests" / "system" / "packaging" / "smoke.py"
CONSTRAINTS = ROOT / "tools" / "constraints.txt"


class Wrong(Exception):
    """Something did not hold; the text says what."""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command without this process's settings of raftcy; returns what it said. Raises Wrong."""
    inherited = {name: each for name, each in os.environ.items() if not name.startswith(("RAFTCY_", "PYTHON"))}
    inherited |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    words = [str(each) for each in command]
    done = subprocess.run(words, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Wrong(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def say(text: str) -> None:
    """Print a line of the report."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def environment(python: str, folder: Path, *packages: str) -> Path:
    """Make a fresh environment with some packages; returns its interpreter."""
    run(python, "-m", "venv", folder, cwd=folder.parent)
    inside = folder / "bin" / "python"
    if packages:
        run(inside, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, *packages, cwd=folder.parent)
    return inside


def only(folder: Path, pattern: str) -> Path:
    """The only file of a folder that matches."""
    (found,) = folder.glob(pattern)
    return found


def equal(kind: str, one: Path, other: Path) -> None:
    """Raise Wrong unless two files have the same name and bytes."""
    if one.name != other.name or digest(one) != digest(other):
        raise Wrong(f"two builds of the {kind} differ: {difference(one, other)}")
    say(f"{kind}: two builds in different folders are equal, SHA-256 {digest(one)[:16]}…, {one.stat().st_size:,} bytes")


def difference(one: Path, other: Path) -> str:
    """Where two wheels differ."""
    if one.name != other.name or one.suffix != ".whl":
        return f"{one.name}, {other.name}"
    with zipfile.ZipFile(one) as left, zipfile.ZipFile(other) as right:
        names = set(left.namelist()) ^ set(right.namelist())
        same = set(left.namelist()) & set(right.namelist())
        names |= {name for name in same if left.read(name) != right.read(name)}
        return ", ".join(sorted(names)) or "only in their order or times"


def sdists(builder: str, folder: Path, epoch: str) -> Path:
    """Build the sdist of this checkout twice; returns one."""
    made = []
    for name in ("one", "two"):
        out = folder / f"sdist-{name}"
        run(builder, "-m", "build", "-q", "--sdist", "--no-isolation", "--outdir", out, ROOT, cwd=folder,
            SOURCE_DATE_EPOCH=epoch)  # fmt: skip
        made.append(only(out, "*.tar.gz"))
    equal("sdist", *made)
    return made[0]


def wheels(builder: Path | str, sdist: Path, folder: Path, kind: str, epoch: str, *options: str) -> Path:
    """Build a wheel of the sdist twice, in folders of different depth; returns one."""
    made = []
    for name in ("one", "a/longer/name/two"):
        place = folder / kind / name
        place.mkdir(parents=True)
        with tarfile.open(sdist) as archive:
            archive.extractall(place, filter="data")
        (source,) = place.iterdir()
        required = {} if options else {"RAFTCY_REQUIRE_EXT": "1"}
        run(builder, "-m", "build", "-q", "--wheel", "--no-isolation", *options, "--outdir", place / "out", source,
            cwd=place, SOURCE_DATE_EPOCH=epoch, **required)  # fmt: skip
        made.append(only(place / "out", "*.whl"))
    equal(f"{kind} wheel", *made)
    return made[0]


def repaired(wheel: Path, folder: Path) -> Path:
    """The wheel with the oldest manylinux tag that its symbols allow, on Linux."""
    if sys.platform != "linux":
        return wheel
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run(sys.executable, "-m", "auditwheel", "repair", "-w", folder, wheel, cwd=folder.parent, PATH=path)
    found = only(folder, f"{'-'.join(wheel.name.split('-')[:4])}-*.whl")
    say(f"auditwheel: {found.name}")
    return found


def check_bill(wheel: Path) -> None:
    """Raise Wrong unless the wheel has a valid bill of materials that names what is in it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if ".dist-info/sboms/raftcy" in each)
        text = archive.read(name).decode()
        compiled = any(each.endswith((".so", ".pyd")) for each in archive.namelist())
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise Wrong(f"the bill of {wheel.name} is not valid: {wrong}")
    bill: dict[str, Any] = json.loads(text)
    names = [part["name"] for part in bill["components"]]
    if names != (["protobuf", "cython"] if compiled else ["protobuf"]):
        raise Wrong(f"the bill of {wheel.name} names {names}")


def try_out(python: str, wheel: Path, folder: Path, builds: Iterable[str]) -> None:
    """Install a wheel into a fresh environment and run it in each build."""
    inside = environment(python, folder)
    run(inside, "-m", "pip", "install", "-q", wheel, cwd=folder)
    for build in builds:
        switch = {"RAFTCY_PURE_PYTHON": "1"} if (build, "none-any" in wheel.name) == ("pure", False) else {}
        say(run(inside, SMOKE, build, cwd=folder, **switch).strip())
    say(run(inside.with_name("raftcy"), "--version", cwd=folder).strip())


def main(argv: list[str]) -> int:
    """Check everything, for the interpreters that are named."""
    parser = argparse.ArgumentParser(prog="python -m tools.wheels_check", description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="an interpreter, such as python3.12")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the products go (default: dist)")
    options = parser.parse_args(argv)
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct", cwd=ROOT).strip()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="raftcy-wheels-") as name:
        folder = Path(name)
        try:
            products = _products(options.pythons, folder, epoch)
            say(run(sys.executable, "-m", "twine", "check", "--strict", *products, cwd=folder).strip())
        except Wrong as wrong:
            print(wrong, file=sys.stderr)
            return 1
        for each in products:
            (options.out / each.name).write_bytes(each.read_bytes())
    say(f"{len(products)} products are in {options.out}")
    return 0


def _products(pythons: list[str], folder: Path, epoch: str) -> list[Path]:
    sdist = sdists(sys.executable, folder, epoch)
    pure = wheels(sys.executable, sdist, folder, "pure", epoch, "--config-setting=pure-python=true")
    check_bill(pure)
    products = [sdist, pure]
    for number, python in enumerate(pythons, 1):
        version = run(python, "-VV", cwd=folder).split("\n")[0]
        say(f"{python}: {version}")
        try_out(python, pure, folder / f"pure-{number}", ["pure"])
        builder = environment(python, folder / f"builder-{number}", "build", "setuptools", "cython")
        wheel = wheels(builder, sdist, folder, f"compiled-{number}", epoch)
        check_bill(wheel)
        (folder / f"repaired-{number}").mkdir()
        products.append(repaired(wheel, folder / f"repaired-{number}"))
        try_out(python, products[-1], folder / f"compiled-{number}-tried", ["compiled", "pure"])
    return products


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
