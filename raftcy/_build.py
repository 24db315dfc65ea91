"""Which build of raftcy runs, and the switch between the two.

The package exists in a compiled and in a pure build, made from one tree. Where extension modules lie beside their
`.py` files, Python's own import order takes the extension, unless `RAFTCY_PURE_PYTHON` is set to anything but `0` when
`raftcy` is first imported: then this module puts a finder in front that looks at `.py` files alone. The same finder
serves `load_pure`, which loads the package a second time, pure and under another name, into one process.

`BUILD` is found by asking the import system what it would load for each module that can be compiled, so it tells what
runs and not what was asked for. A folder in which only some of those modules are compiled for this interpreter cannot
work, since they reach into each other's C structures; importing it raises ImportError with what to do.

This module owns the finder and nothing else; it must stay the first import of the package.
"""

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

SWITCH: Final = "RAFTCY_PURE_PYTHON"
"""The environment variable that makes a compiled package run pure; read once, at the first import."""

_FOLDER: Final = Path(__file__).parent
_PACKAGE: Final = __name__.rpartition(".")[0]
_lock: Final = threading.Lock()


class SourceFinder(MetaPathFinder):
    """Finds the modules of one package, by their Python files alone: extension modules beside them are not seen.

    `package` is the top-level name served and `folder` the directory of its `__init__.py`. The name need not be that
    of the directory, which is how one folder can be loaded under two names.
    """

    def __init__(self, package: str, folder: str) -> None:
        self.package = package
        self.folder = folder
        self._finders: dict[str, FileFinder] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self.package:
            loader = SourceFileLoader(fullname, os.path.join(self.folder, "__init__.py"))
            return importlib.util.spec_from_file_location(fullname, loader.path, loader=loader)
        if path is None or not fullname.startswith(self.package + "."):
            return None
        specs = (self._finder(entry).find_spec(fullname) for entry in path)
        return next((spec for spec in specs if spec is not None and spec.loader is not None), None)

    def invalidate_caches(self) -> None:
        self._finders.clear()

    def _finder(self, folder: str) -> FileFinder:
        # setdefault is atomic, so that threads which import at the same time share one finder.
        loaders = (SourceFileLoader, SOURCE_SUFFIXES), (SourcelessFileLoader, BYTECODE_SUFFIXES)
        return self._finders.get(folder) or self._finders.setdefault(folder, FileFinder(folder, *loaders))


def load_pure(alias: str = "raftcy_pure") -> ModuleType:
    """Load the pure build of this very folder under the name `alias`, and return that package.

    Whatever build runs as `raftcy`, the copy is complete and independent: its classes are not those of `raftcy`, and
    `import raftcy_pure.core.log` and the like work afterwards. It is meant for tests and benchmarks that hold the two
    builds against each other in one process. Calling it again returns the same package.

    Raises ValueError if `alias` is no plain module name or the package's own, and ImportError if the name belongs to
    another module or if the installation has no Python sources.
    """
    if not alias.isidentifier() or alias == _PACKAGE:
        raise ValueError(f"alias must be a plain module name other than {_PACKAGE}, not {alias!r}")
    with _lock:
        if not _serves(alias):
            if alias in sys.modules or importlib.util.find_spec(alias) is not None:
                raise ImportError(f"cannot load the pure build as {alias}: there is another module of that name")
            _serve(alias)
    package = importlib.import_module(alias)
    if package.BUILD != "pure":
        raise ImportError(f"cannot load the pure build as {alias}: the Python sources of {_PACKAGE} are not installed")
    return package


def _serves(package: str) -> bool:
    # The class is not compared: a pure copy of this module has a class of its own, and its finder serves as well.
    return any(getattr(finder, "package", None) == package for finder in sys.meta_path)


def _serve(package: str) -> None:
    sys.meta_path.insert(0, SourceFinder(package, str(_FOLDER)))


def _compilable() -> list[str]:
    """The modules that a compiled build compiles, by name relative to the package; setup.py has the same rule."""
    names = set()
    for folder, _, files in os.walk(_FOLDER):
        parts = Path(folder).relative_to(_FOLDER).parts
        for stem, suffix in map(os.path.splitext, files):
            if suffix == ".pyx" or (suffix == ".pxd" and _types_its_module(Path(folder, stem + suffix))):
                names.add(".".join((*parts, stem)))
    # An application frozen into one file carries no .pxd; there the state machine's types tell for all.
    return sorted(names) or ["wire.messages"]


def _types_its_module(declarations: Path) -> bool:
    """False for a `.pxd` that only declares for other modules; it says so in its first line."""
    with declarations.open(encoding="utf-8") as lines:
        return "itself is not compiled" not in lines.readline()


def _is_extension(module: str) -> bool:
    folder = _FOLDER.joinpath(*module.split(".")[:-1])
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    specs = (finder.find_spec(f"{_PACKAGE}.{module}", [str(folder)]) for finder in finders)
    spec = next(filter(None, specs), None)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def _tell_build() -> Literal["compiled", "pure"]:
    modules = _compilable()
    missing = [module for module in modules if not _is_extension(module)]
    if 0 < len(missing) < len(modules):
        raise ImportError(
            f"{_PACKAGE} is only partly compiled: {len(missing)} of {len(modules)} extension modules are missing "
            f"(first: {missing[0]}). Build it again, or set {SWITCH}=1 to run the pure build.",
            name=_PACKAGE,
            path=str(_FOLDER),
        )
    return "pure" if missing else "compiled"


if os.environ.get(SWITCH, "") not in ("", "0"):
    with _lock:
        if not _serves(_PACKAGE):
            _serve(_PACKAGE)

BUILD: Final = _tell_build()
"""`"compiled"` or `"pure"`: the build that this process runs under the name `raftcy`."""
