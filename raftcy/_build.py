"""Selects and reports which build of raftcy runs: compiled or pure.

Both builds come from one tree. If extension modules lie beside their `.py` files, Python imports the extensions. If
`RAFTCY_PURE_PYTHON` is set to anything but `0` when `raftcy` is first imported, this module installs a finder in front
that sees only `.py` files. `load_pure` uses the same finder to load the package a second time into the same process,
pure and under another name.

`BUILD` is determined by asking the import system what it would load for each module that can be compiled, so it says
which build runs rather than which was requested. Compiled modules access each other's C structures, so a folder in
which only some of them are compiled for this interpreter cannot work; importing it raises ImportError and says what to
do.

This module must stay the first import of the package: modules imported before it would escape the finder.
"""

import importlib
import importlib.util
import logging
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
"""The environment variable that makes a compiled package run pure. Read once, at the first import."""

_FOLDER: Final = Path(__file__).parent
_PACKAGE: Final = __name__.rpartition(".")[0]
_lock: Final = threading.Lock()


class SourceFinder(MetaPathFinder):
    """Finds the modules of one package by their Python files only, ignoring extension modules beside them.

    `package` is the top-level name that it serves, and `folder` the directory of the package's `__init__.py`. The name
    may differ from the directory's, so that one folder can be loaded under two names.
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
        # setdefault is atomic, so threads that import at the same time share one finder.
        loaders = (SourceFileLoader, SOURCE_SUFFIXES), (SourcelessFileLoader, BYTECODE_SUFFIXES)
        return self._finders.get(folder) or self._finders.setdefault(folder, FileFinder(folder, *loaders))


def load_pure(alias: str = "raftcy_pure") -> ModuleType:
    """Load the pure build of this folder under the name `alias`, and return that package.

    The copy is complete and independent, whichever build runs as `raftcy`: it has classes of its own, and imports such
    as `import raftcy_pure.core.log` work afterwards. It is for tests and benchmarks that compare the two builds in one
    process. Calling it again returns the same package.

    Raises ValueError if `alias` is not a plain module name or is this package's name, and ImportError if another module
    has that name or the installation lacks the Python sources.
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
    # Do not compare classes: a pure copy of this module has another SourceFinder class, whose finders count as well.
    return any(getattr(finder, "package", None) == package for finder in sys.meta_path)


def _serve(package: str) -> None:
    sys.meta_path.insert(0, SourceFinder(package, str(_FOLDER)))


def _compilable() -> list[str]:
    """The modules that the compiled build compiles, by name within the package. setup.py applies the same rule."""
    names = set()
    for folder, _, files in os.walk(_FOLDER):
        parts = Path(folder).relative_to(_FOLDER).parts
        for stem, suffix in map(os.path.splitext, files):
            if suffix == ".pyx" or (suffix == ".pxd" and _types_its_module(Path(folder, stem + suffix))):
                names.add(".".join((*parts, stem)))
    # An application frozen into one file has no .pxd files; there one module stands for all.
    return sorted(names) or ["wire.messages"]


def _types_its_module(declarations: Path) -> bool:
    """Whether a `.pxd` types its own module. One that serves only other modules says so in its first line."""
    with declarations.open(encoding="utf-8") as lines:
        return "itself is not compiled" not in lines.readline()


def _is_extension(module: str) -> bool:
    folder = _FOLDER.joinpath(*module.split(".")[:-1])
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    specs = (finder.find_spec(f"{_PACKAGE}.{module}", [str(folder)]) for finder in finders)
    spec = next(filter(None, specs), None)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def _running_build() -> Literal["compiled", "pure"]:
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


def why_pure() -> str:
    """Why this process runs the pure build. An empty text if it runs the compiled one."""
    if BUILD == "compiled":
        return ""
    if _is_chosen:
        return f"{SWITCH} is set"
    if not _is_original:
        return "this is a second copy of the package"
    found = next((path for suffix in (".so", ".pyd") for path in sorted(_FOLDER.rglob(f"*{suffix}"))), None)
    if found is not None:
        return f"the extension modules are for another interpreter ({found.name})"
    return "there are no extension modules; install again where there is a C compiler"


def report_pure() -> None:
    """Log a warning, once, if the pure build runs although nobody has chosen it."""
    global _is_reported
    if BUILD == "pure" and not _is_chosen and _is_original and not _is_reported:
        _is_reported = True
        logging.getLogger(_PACKAGE).warning("the pure build runs, 25 to 50 times slower: %s", why_pure())


def keep(package: ModuleType) -> None:
    """Note that the package is imported, so that a later import of it in this process gives the same classes."""
    _first[_PACKAGE, str(_FOLDER), BUILD] = package


def _recall() -> None:
    """Bring back the modules of an earlier import that have left ``sys.modules``.

    An extension module is initialised once in a process. Imported again, it would come with the classes of before, and
    the plain modules with new ones: no Config would be a Config, and no error would be caught by its name.
    """
    package = _first.get((_PACKAGE, str(_FOLDER), BUILD))
    if package is not None and sys.modules.get(_PACKAGE) is not package:
        _bring_back(package)


def _bring_back(module: ModuleType) -> None:
    sys.modules[module.__name__] = module
    for each in list(vars(module).values()):
        if isinstance(each, ModuleType) and each.__name__.startswith(module.__name__ + "."):
            _bring_back(each)


_is_chosen: Final = os.environ.get(SWITCH, "") not in ("", "0")
_is_reported = False
if _is_chosen:
    with _lock:
        if not _serves(_PACKAGE):
            _serve(_PACKAGE)

# Whether this package was imported under its own name, and not by ``load_pure``.
_is_original: Final = _is_chosen or not _serves(_PACKAGE)
BUILD: Final = _running_build()
"""`"compiled"` or `"pure"`: the build that this process runs under the name `raftcy`."""

# It has to outlive all modules of the package.
_first: dict[tuple[str, str, str], ModuleType] = vars(sys).setdefault("_raftcy_imports", {})
_recall()
