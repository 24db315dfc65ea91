"""setup.py and the build backend build all extensions or none, shown on a small package with every kind of module."""

import ensurepip
import platform
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.needs import missing, needs_compiler

from .conftest import build_wheel, names, python, run, wheel

pytestmark = [pytest.mark.packaging, pytest.mark.once, pytest.mark.waits(50)]

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
MODULES = ["raftcy/core/kernel", "raftcy/wire/messages"]
TELL = "import raftcy; print(raftcy.BUILD, raftcy.double(21), raftcy.Message(1).is_append(3))"
BROKEN_C = 'cdef extern from "no_such_header.h":\n    int nothing\n\nvalue = nothing\n'
BROKEN_CYTHON = "cdef int f():\n    return undeclared_name_of_nothing.x +\n"


def binaries(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(f"*{SUFFIX}") if "build" not in path.parts)


def build(tiny: Path, status: int = 0, **environment: str) -> str:
    return python("setup.py", "-q", "build_ext", "--inplace", cwd=tiny, status=status, **environment)


def tell(tiny: Path, **environment: str) -> str:
    return python("-c", TELL, cwd=tiny, **environment).strip()


def break_it(tiny: Path, text: str) -> None:
    """Add a module that cannot be built; its name sorts last."""
    (tiny / "raftcy/wire/zebra.pyx").write_text(text)
    (tiny / "raftcy/wire/zebra.py").write_text("value = 0\n")


def without_cython(tmp_path: Path) -> str:
    """A PYTHONPATH on which importing Cython fails."""
    package = tmp_path / "hidden" / "Cython"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('raise ImportError("Cython is not installed")\n')
    return str(package.parent)


def test_in_place_build_compiles_every_typed_module(tiny: Path) -> None:
    needs_compiler()
    build(tiny, RAFTCY_REQUIRE_EXT="1")
    assert binaries(tiny) == [f"{module}{SUFFIX}" for module in MODULES]
    assert tell(tiny) == "compiled 42 True"
    assert tell(tiny, RAFTCY_PURE_PYTHON="1") == "pure 42 True"
    assert tell(tiny, RAFTCY_PURE_PYTHON="0") == tell(tiny, RAFTCY_PURE_PYTHON="") == "compiled 42 True"
    assert not list((tiny / "raftcy").rglob("*.c"))


def old_setuptools(tmp_path: Path) -> str:
    """A PYTHONPATH with the setuptools of new Python 3.11 environments, which does not know licence expressions."""
    folders = [Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")]
    bundled = [path for folder in folders for path in folder.glob("setuptools-6*.whl")]
    if not bundled:
        missing("the setuptools that comes with Python 3.11")
    with zipfile.ZipFile(bundled[0]) as archive:
        archive.extractall(tmp_path / "old")
    return str(tmp_path / "old")


def test_an_old_setuptools_compiles_in_place_too(tiny: Path, tmp_path: Path) -> None:
    needs_compiler()
    path = old_setuptools(tmp_path)
    assert "old" in python("-c", "import setuptools; print(setuptools.__file__)", cwd=tiny, PYTHONPATH=path)
    build(tiny, RAFTCY_REQUIRE_EXT="1", PYTHONPATH=path)
    assert binaries(tiny) == [f"{module}{SUFFIX}" for module in MODULES]
    assert tell(tiny) == "compiled 42 True"
    said = build(tiny, status=1, RAFTCY_REQUIRE_EXT="1", CC="false", PYTHONPATH=path)
    assert "RAFTCY_REQUIRE_EXT is set, but there are no extensions" in said
    # It could not read the metadata, so its wheel would have no name.
    assert "project.license" in python("setup.py", "-q", "build", cwd=tiny, status=1, PYTHONPATH=path)


def test_a_second_build_does_nothing_and_an_edit_is_seen(tiny: Path) -> None:
    needs_compiler()
    build(tiny)
    before = {path: (tiny / path).stat().st_mtime_ns for path in binaries(tiny / "build")}
    build(tiny)
    assert {path: (tiny / path).stat().st_mtime_ns for path in binaries(tiny / "build")} == before
    kernel = tiny / "raftcy/core/kernel.pyx"
    kernel.write_text(kernel.read_text().replace("number + number", "number + number + 1"))
    build(tiny)
    assert tell(tiny) == "compiled 43 True"


def test_other_options_build_anew(tiny: Path) -> None:
    needs_compiler()
    build(tiny)
    wraps = "import raftcy; print(raftcy.double(2**63))"
    assert python("-c", wraps, cwd=tiny).strip() == "0"
    build(tiny, RAFTCY_OVERFLOWCHECK="1")
    assert "OverflowError" in python("-c", wraps, cwd=tiny, status=1)
    build(tiny)
    assert python("-c", wraps, cwd=tiny).strip() == "0"


def test_binary_of_a_module_that_is_plain_now_is_removed(tiny: Path) -> None:
    needs_compiler()
    build(tiny)
    (tiny / "raftcy/core/kernel.pyx").unlink()
    build(tiny)
    assert binaries(tiny) == [f"raftcy/wire/messages{SUFFIX}"]
    assert tell(tiny) == "compiled 42 True"


@pytest.mark.parametrize("reason", ["compiler fails", "no compiler", "no Cython", "C error", "Cython error"])
def test_a_failed_build_leaves_a_pure_package(tiny: Path, tmp_path: Path, reason: str) -> None:
    needs_compiler()
    build(tiny)
    environment = {}
    match reason:
        case "compiler fails":
            environment["CC"] = "false"
        case "no compiler":
            environment["CC"] = str(tmp_path / "no-such-compiler")
        case "no Cython":
            environment["PYTHONPATH"] = without_cython(tmp_path)
        case "C error":
            break_it(tiny, BROKEN_C)
        case "Cython error":
            break_it(tiny, BROKEN_CYTHON)
    said = build(tiny, **environment)
    assert "this is the pure Python build" in said
    assert binaries(tiny) == [] == binaries(tiny / "build")
    assert tell(tiny) == "pure 42 True"
    said = build(tiny, status=1, RAFTCY_REQUIRE_EXT="1", **environment)
    assert "RAFTCY_REQUIRE_EXT is set, but there are no extensions" in said
    assert binaries(tiny) == []


@pytest.mark.parametrize("reason", ["setting", "environment", "no compiler"])
def test_pure_wheel(tiny: Path, tmp_path: Path, reason: str) -> None:
    options = ["--config-settings=pure-python=true"] if reason == "setting" else []
    environment = {"environment": {"RAFTCY_PURE_PYTHON": "1"}, "no compiler": {"CC": "false"}}.get(reason, {})
    built = wheel(tiny, tmp_path / "out", *options, **environment)
    assert built.name == "raftcy-0.1.0-py3-none-any.whl"
    assert not [name for name in names(built) if name.endswith((".so", ".pyd"))]
    with zipfile.ZipFile(built) as archive:
        assert b"Root-Is-Purelib: true" in archive.read("raftcy-0.1.0.dist-info/WHEEL")
    told = "this is the pure Python build" in (tmp_path / "out/log.txt").read_text()
    assert told == (reason == "no compiler")


def test_compiled_wheel(tiny: Path, tmp_path: Path) -> None:
    needs_compiler()
    built = wheel(tiny, tmp_path / "out", "--config-settings=pure-python=false", RAFTCY_REQUIRE_EXT="1")
    assert "none-any" not in built.name
    assert platform.machine() in built.name
    assert sorted(name for name in names(built) if name.endswith(SUFFIX)) == [f"{module}{SUFFIX}" for module in MODULES]


@pytest.mark.parametrize(
    ("options", "environment", "text"),
    [
        ([], {"CC": "false", "RAFTCY_REQUIRE_EXT": "1"}, "RAFTCY_REQUIRE_EXT is set"),
        ([], {"RAFTCY_PURE_PYTHON": "1", "RAFTCY_REQUIRE_EXT": "1"}, "contradict each other"),
        (["--config-settings=pure-python=true"], {"RAFTCY_REQUIRE_EXT": "1"}, "contradict each other"),
        (["--config-settings=pure-python=maybe"], {}, "must be true or false, not 'maybe'"),
    ],
)
def test_wheels_that_must_not_be_built(
    tiny: Path, tmp_path: Path, options: list[str], environment: dict[str, str], text: str
) -> None:
    assert text in build_wheel(tiny, tmp_path, *options, status=1, **environment)


def test_cython_is_required_only_for_compiled_builds(tiny: Path) -> None:
    def asked(settings: dict[str, str], **environment: str) -> list[str]:
        asking = "import build_backend as b; print(b.get_requires_for_build_{}({!r}))"
        commands = [asking.format(kind, settings) for kind in ("wheel", "editable")]
        told = [run(sys.executable, "-c", line, cwd=tiny, PYTHONPATH="tools", **environment) for line in commands]
        return [done.stdout.splitlines()[-1] for done in told]

    assert all("cython>=" in line for line in asked({}))
    assert asked({"pure-python": "true"}) == asked({}, RAFTCY_PURE_PYTHON="1") == ["[]", "[]"]


def test_editable_install_is_compiled(tiny: Path, tmp_path: Path) -> None:
    needs_compiler()
    target = tmp_path / "site"
    command = ["-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--no-index", "--target", str(target)]
    python(*command, "-e", ".", cwd=tiny, RAFTCY_REQUIRE_EXT="1")
    assert binaries(tiny) == [f"{module}{SUFFIX}" for module in MODULES]
    tell_from_site = f"import site; site.addsitedir({str(target)!r}); {TELL}"
    assert python("-c", tell_from_site, cwd=tmp_path).strip() == "compiled 42 True"
    assert python("-c", tell_from_site, cwd=tmp_path, RAFTCY_PURE_PYTHON="1").strip() == "pure 42 True"


def test_partly_compiled_package_says_so(tiny: Path) -> None:
    needs_compiler()
    build(tiny)
    (tiny / f"raftcy/core/kernel{SUFFIX}").unlink()
    said = python("-c", TELL, cwd=tiny, status=1)
    assert "raftcy is only partly compiled: 1 of 2 extension modules are missing (first: core.kernel)" in said
    assert tell(tiny, RAFTCY_PURE_PYTHON="1") == "pure 42 True"


def test_sanitizers_are_linked_in(tiny: Path) -> None:
    needs_compiler()
    build(tiny, RAFTCY_SANITIZE="undefined")
    listed = subprocess.run(["ldd", tiny / f"raftcy/core/kernel{SUFFIX}"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("ldd cannot tell what the module is linked with")
    assert "libubsan" in listed.stdout
