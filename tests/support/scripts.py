"""The conformance kit of either build."""

import importlib
from types import ModuleType


def kit(build: ModuleType) -> ModuleType:
    """`raftcy.rafttest` of the package `build`."""
    return load(build, "rafttest")


def load(build: ModuleType, name: str) -> ModuleType:
    """A module of the package `build`."""
    return importlib.import_module(f"{build.__name__}.{name}")
