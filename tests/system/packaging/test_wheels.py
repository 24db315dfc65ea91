"""The wheels and the sdist of the package contain the right files, and they run."""

import runpy
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import raftcy
from raftcy import _build
from tests.support.needs import ROOT, needs_tracked_files

from .conftest import installed, names, python, run, wheel

pytestmark = [pytest.mark.packaging, pytest.mark.once, pytest.mark.waits(50)]

SMOKE = Path(__file__).parent / "smoke.py"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
NOT_SHIPPED = (".ci/", ".git", "bench/peers/")


def smoke(site: Path, build: str, **environment: str) -> None:
    said = python(SMOKE, build, cwd=site.parent, PYTHONPATH=str(site), **environment)
    assert f"smoke ok: raftcy {raftcy.__version__}, {build} build" in said


def on_disk() -> list[str]:
    """The modules to be compiled, found in another way than setup.py's."""
    found = []
    for path in sorted((ROOT / "raftcy").rglob("*.py")):
        declarations = path.with_suffix(".pxd")
        plain = not declarations.exists() or "itself is not compiled" in declarations.read_text().splitlines()[0]
        if path.with_suffix(".pyx").exists() or not plain:
            found.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


def test_setup_lists_what_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    listed = [module.name for module in runpy.run_path("setup.py")["extensions"]()]
    assert listed == on_disk()
    assert listed == [f"raftcy.{name}" for name in _build._compilable()]


def test_compiled_wheel_runs_both_builds(compiled_wheel: Path, tmp_path: Path) -> None:
    compiled = sorted(
        name.removesuffix(SUFFIX).replace("/", ".") for name in names(compiled_wheel) if name.endswith(SUFFIX)
    )
    assert compiled == on_disk()
    site = installed(compiled_wheel, tmp_path / "site")
    smoke(site, "compiled")
    smoke(site, "pure", RAFTCY_PURE_PYTHON="1")


def test_pure_wheel_runs(pure_wheel: Path, tmp_path: Path) -> None:
    assert pure_wheel.name == f"raftcy-{raftcy.__version__}-py3-none-any.whl"
    assert not [name for name in names(pure_wheel) if name.endswith((".so", ".pyd"))]
    smoke(installed(pure_wheel, tmp_path / "site"), "pure")


def test_both_wheels_hold_the_same_sources(compiled_wheel: Path, pure_wheel: Path, source: Path) -> None:
    files = (path for path in (source / "raftcy").rglob("*") if path.is_file() and path.suffix != ".pyc")
    ours = {str(path.relative_to(source)) for path in files}
    for built in (compiled_wheel, pure_wheel):
        package = {name for name in names(built) if name.startswith("raftcy/") and not name.endswith(SUFFIX)}
        # Each extension module has its source beside it once more, as a stub.
        stubs = {name.removesuffix(SUFFIX) + ".pyi" for name in names(built) if name.endswith(SUFFIX)}
        assert package == ours | stubs
        with zipfile.ZipFile(built) as archive:
            assert all(archive.read(name) == archive.read(name.removesuffix("i")) for name in stubs)
        licenses = {name.rpartition("/")[2] for name in names(built) if ".dist-info/licenses/" in name}
        assert licenses == {"LICENSE", "NOTICE"}


def test_sdist_holds_every_tracked_file(unpacked: Path) -> None:
    wanted = {name for name in needs_tracked_files() if not name.startswith(NOT_SHIPPED) and (ROOT / name).exists()}
    shipped = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert "setup.py" in wanted
    assert wanted - shipped == set()
    assert not [name for name in shipped if name.endswith((".so", ".pyc", ".c"))]


def test_sdist_installs_without_a_compiler(unpacked: Path, tmp_path: Path) -> None:
    built = wheel(unpacked, tmp_path / "out", CC="false")
    assert built.name.endswith("py3-none-any.whl")
    assert "this is the pure Python build" in (tmp_path / "out/log.txt").read_text()
    smoke(installed(built, tmp_path / "site"), "pure")


def test_version_is_read_without_importing(tiny: Path) -> None:
    """The version comes from the text of __init__.py, so a build needs none of the run-time dependencies."""
    init = tiny / "raftcy/__init__.py"
    init.write_text(init.read_text() + 'raise ImportError("a build must not import the package")\n')
    said = run(sys.executable, "setup.py", "-q", "--version", cwd=tiny).stdout
    assert said.split() == ["0.1.0"]
