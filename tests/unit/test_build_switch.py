"""The switch between the builds, and the pure build loaded beside the running one."""

import importlib
import os
import pickle
import shutil
import subprocess
import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from types import ModuleType

import pytest

import raftcy
from raftcy import _build


@pytest.fixture
def alias(request: pytest.FixtureRequest) -> str:
    """An unused name, with every trace of it removed afterwards."""
    name = f"raftcy_{request.node.name.replace('[', '_').replace(']', '')}"
    yield name
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "package", None) != name]
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[module]


def loaded(package: str) -> list[ModuleType]:
    """The loaded modules of a package that a compiled build compiles."""
    names = [f"{package}.{name}" for name in _build._compilable()]
    return [sys.modules[name] for name in names if name in sys.modules]


def test_build_tells_what_is_loaded() -> None:
    modules = [importlib.import_module(f"raftcy.{name}") for name in _build._compilable()]
    kinds = {isinstance(module.__spec__.loader, ExtensionFileLoader) for module in modules}
    assert kinds == {raftcy.BUILD == "compiled"}


def test_pure_copy_is_pure_and_complete(alias: str) -> None:
    package = _build.load_pure(alias)
    assert package.BUILD == "pure"
    assert package.__version__ == raftcy.__version__
    assert package.__file__ == raftcy.__file__
    for name in _build._compilable():
        assert importlib.import_module(f"{alias}.{name}").__file__.endswith(".py")
    assert loaded(alias)


def test_pure_copy_has_classes_of_its_own(raftcy_pure: ModuleType) -> None:
    from raftcy.errors import RaftError
    from raftcy_pure.errors import RaftError as PureError

    assert PureError is not RaftError
    assert not issubclass(PureError, RaftError)
    assert pickle.loads(pickle.dumps(PureError)) is PureError


def test_loading_again_gives_the_same_package(alias: str) -> None:
    before = len(sys.meta_path)
    first = _build.load_pure(alias)
    served = len(sys.meta_path)
    assert _build.load_pure(alias) is first
    assert len(sys.meta_path) == served
    assert served > before


def test_threads_load_one_package(alias: str) -> None:
    barrier = threading.Barrier(8)
    packages: list[ModuleType] = []

    def load() -> None:
        barrier.wait()
        packages.append(_build.load_pure(alias))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(packages) == 8
    assert len(set(map(id, packages))) == 1


@pytest.mark.parametrize("name", ["", "raftcy", "raftcy.core", "not a name", "1st"])
def test_alias_must_be_a_plain_name(name: str) -> None:
    before = list(sys.meta_path)
    with pytest.raises(ValueError, match="alias must be a plain module name"):
        _build.load_pure(name)
    assert sys.meta_path == before


@pytest.mark.parametrize("name", ["json", "this"])
def test_alias_must_not_be_taken(name: str) -> None:
    before = list(sys.meta_path)
    with pytest.raises(ImportError, match=f"as {name}: there is another module of that name"):
        _build.load_pure(name)
    assert sys.meta_path == before


def test_finder_sees_python_files_alone(tmp_path: Path) -> None:
    package = tmp_path / "folder"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "both.py", "deep/__init__.py", "deep/both.py"):
        (package / name).write_text("")
    for name in ("both", "alone", "deep/both"):
        (package / f"{name}{EXTENSION_SUFFIXES[0]}").write_text("")
    finder = _build.SourceFinder("other", str(package))
    assert finder.find_spec("other").origin == str(package / "__init__.py")
    assert finder.find_spec("other.both", [str(package)]).origin == str(package / "both.py")
    deep = finder.find_spec("other.deep", [str(package)])
    assert deep.submodule_search_locations == [str(package / "deep")]
    assert finder.find_spec("other.deep.both", deep.submodule_search_locations).origin == str(package / "deep/both.py")
    assert finder.find_spec("other.alone", [str(package)]) is None
    assert finder.find_spec("others.both", [str(package)]) is None
    assert finder.find_spec("folder.both", [str(package)]) is None
    (package / "late.py").write_text("")
    importlib.invalidate_caches()
    finder.invalidate_caches()
    assert finder.find_spec("other.late", [str(package)]) is not None


def run(code: str, folder: Path, **environment: str) -> list[str]:
    """What a fresh process prints that imports the package in this folder."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("RAFTCY_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=inherited | environment | {"PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return (done.stdout + done.stderr).splitlines()


START = """
import asyncio, logging
logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
from raftcy import Config, MemoryStorage, Peer, start_node
async def main():
    for id in (1, 2):
        config = Config(id=id, election_tick=10, heartbeat_tick=1, storage=MemoryStorage(), max_inflight_msgs=8)
        async with start_node(config, [Peer(1), Peer(2)]):
            pass
asyncio.run(main())
"""


@pytest.mark.once
def test_the_pure_build_says_so_once_unless_it_was_chosen(tmp_path: Path) -> None:
    """A user who has lost the compiled build by an installation without a compiler should not have to guess."""
    leave_out = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(Path(raftcy.__file__).parent, tmp_path / "raftcy", ignore=leave_out)
    why = "there are no extension modules; install again where there is a C compiler"
    told = f"WARNING raftcy the pure build runs, 25 to 50 times slower: {why}"
    assert run(START, tmp_path) == [told]
    assert run(START, tmp_path, RAFTCY_PURE_PYTHON="1") == []
    show = "import sys; from raftcy.cli import main; main(['--version'])"
    assert run(show, tmp_path) == [f"raftcy {raftcy.__version__}, pure build: {why}"]
    chosen = f"raftcy {raftcy.__version__}, pure build: RAFTCY_PURE_PYTHON is set"
    assert run(show, tmp_path, RAFTCY_PURE_PYTHON="1") == [chosen]
    stranger = tmp_path / "raftcy" / "wire" / "codec.cpython-27-x86_64-linux-gnu.so"
    stranger.touch()
    assert run(show, tmp_path)[0].endswith(f"the extension modules are for another interpreter ({stranger.name})")
