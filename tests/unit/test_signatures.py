"""What ``inspect.signature``, ``help`` and completion say of the public API: the same on both builds."""

import inspect
from types import ModuleType
from typing import Any

import pytest

import raftcy
from raftcy._build import load_pure

NAMES = sorted(name for name in raftcy.__all__ if not inspect.ismodule(getattr(raftcy, name)))


def told(signature: inspect.Signature) -> list[tuple[str, str, str]]:
    """Names, kinds and defaults. Functions that are compiled have no annotations, and their ``self`` has no name."""
    kinds = [
        (each.name, each.kind.name, repr(each.default).replace("raftcy_pure", "raftcy"))
        for each in signature.parameters.values()
    ]
    return [each for each in kinds if each[0] not in ("self", "cls")]


def signatures(package: ModuleType, name: str) -> dict[str, Any]:
    """The signature of a class or function, and of the public methods of a class; None where there is none."""
    found: dict[str, Any] = {}
    of = getattr(package, name)
    parts = {name: of}
    if inspect.isclass(of):
        parts |= {f"{name}.{each}": getattr(of, each) for each in vars(of) if not each.startswith("_")}
    for label, each in parts.items():
        if callable(each) and not (inspect.isclass(each) and issubclass(each, (BaseException, int))):
            found[label] = told(inspect.signature(each))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_signatures(name: str) -> None:
    """They can be asked for, and are equal. CPython has none of an exception without an ``__init__``, on any build."""
    assert signatures(raftcy, name) == signatures(load_pure("raftcy_pure"), name)


def documented(of: Any) -> str:
    """A docstring. That of a compiled method of an ordinary class still has the signature before it."""
    text = inspect.getdoc(of) or ""
    return text.partition("\n--\n\n")[2] or text


@pytest.mark.parametrize("name", NAMES)
def test_docstrings(name: str) -> None:
    """Docstrings are equal, and everything public has one."""
    of, pure = getattr(raftcy, name), getattr(load_pure("raftcy_pure"), name)
    if not (inspect.isclass(of) or inspect.isfunction(of)):
        return
    assert documented(of) == documented(pure)
    for each in vars(pure) if inspect.isclass(pure) else ():
        if not each.startswith("_") and callable(getattr(pure, each)):
            assert documented(getattr(of, each)) == documented(getattr(pure, each)), each


def test_annotations_of_classes_are_those_of_their_source() -> None:
    text = str(inspect.signature(raftcy.HardState))
    assert text == "(*, term: int | None = None, vote: int | None = None, commit: int | None = None) -> None"


def test_a_value_has_no_signature() -> None:
    assert not hasattr(raftcy.HardState(term=1), "__signature__") or raftcy.BUILD == "pure"
