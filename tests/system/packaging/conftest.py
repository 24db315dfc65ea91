"""Builds of the package, each made once per session, without network and outside the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.needs import ROOT, needs_compiler, tracked_files
from tools.turns import turn

TINY = Path(__file__).parent / "tiny"
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "*.egg-info", "*.so", "*.pyd", "__pycache__", ".*_cache", ".hypothesis"
)

Run = Callable[..., subprocess.CompletedProcess[str]]


def run(*command: str | Path, cwd: Path, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command without this process's RAFTCY_ settings, and expect its exit status (1: any failure)."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAFTCY_", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert bool(done.returncode) == bool(status), (
        f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def python(*arguments: str | Path, cwd: Path, status: int = 0, **environment: str) -> str:
    """Run Python; returns its output on both streams."""
    done = run(sys.executable, *arguments, cwd=cwd, status=status, **environment)
    return done.stdout + done.stderr


def build_wheel(source: Path, out: Path, *options: str, status: int = 0, **environment: str) -> str:
    """Build a wheel with pip, in an environment that has setuptools and Cython already; returns pip's output."""
    command = ["-m", "pip", "-v", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(out)]
    return python(*command, *options, ".", cwd=source, status=status, **environment)


def wheel(source: Path, out: Path, *options: str, **environment: str) -> Path:
    """A wheel built from a source folder."""
    log = build_wheel(source, out, *options, **environment)
    (built,) = out.glob("*.whl")
    (out / "log.txt").write_text(log)
    return built


def installed(built: Path, folder: Path) -> Path:
    """A folder with a wheel installed, for PYTHONPATH."""
    options = ["-q", "--no-deps", "--no-index", "--no-compile", "--target", str(folder)]
    python("-m", "pip", "install", *options, str(built), cwd=folder.parent)
    return folder


def names(built: Path) -> list[str]:
    """The files in a wheel."""
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def copy(folder: Path) -> Path:
    """A clean copy of the project: the files that git tracks or would track, or all but what builds leave behind."""
    listed = tracked_files("--cached", "--others", "--exclude-standard")
    if listed is None:
        shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
        return folder
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The project's build files around a package of three small modules, which builds in seconds."""
    folder = tmp_path / "tiny"
    shutil.copytree(TINY, folder)
    for name in (
        "setup.py",
        "pyproject.toml",
        "MANIFEST.in",
        "LICENSE",
        "NOTICE",
        "raftcy/_build.py",
        "raftcy/_progress.py",
        "raftcy/py.typed",
    ):
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=LEFT_OUT)
    (folder / "README.md").write_text("# tiny\n")
    return folder


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(tmp_path_factory.mktemp("source") / "raftcy")


@pytest.fixture(scope="session")
def compiled_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Optimized less than the product, because nothing is timed. Made once for all processes of a run."""
    needs_compiler()
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "compiled"
    with turn(shared / "compiled.lock"):
        for built in folder.glob("*.whl"):
            return built
        folder.mkdir(exist_ok=True)
        return wheel(source, folder, RAFTCY_REQUIRE_EXT="1", RAFTCY_HURRY="1")


@pytest.fixture(scope="session")
def pure_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(source, tmp_path_factory.mktemp("pure"), "--config-settings=pure-python=true")


@pytest.fixture(scope="session")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    python("-c", f"import build_backend; build_backend.build_sdist({str(out)!r})", cwd=source, PYTHONPATH="tools")
    (archive,) = out.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="session")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    out = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        # Python 3.11 has the filter only since 3.11.4; the archive is our own.
        archive.extractall(out, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (folder,) = out.iterdir()
    return folder
