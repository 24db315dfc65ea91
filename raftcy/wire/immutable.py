"""Makes values immutable, at the cost of one class switch in the pure build.

The ``__setattr__`` of a value class refuses every assignment. The compiled build writes C fields, which bypasses it, so
``thaw`` and ``freeze`` do nothing there (``immutable.pxd``). In the pure build they switch an object between its class
and that class's open twin, which has the same slots but an ordinary ``__setattr__``.
"""

from contextlib import suppress
from typing import Any

_OPEN: dict[type, type] = {}
_assign = object.__setattr__


def open_twin(cls: type) -> type:
    """Return the twin of a value class whose objects accept assignments."""
    twin = _OPEN.get(cls)
    if twin is None:
        body = {"__slots__": (), "__setattr__": object.__setattr__, "__module__": cls.__module__}
        try:
            twin = type("Open" + cls.__name__, (cls,), body)
        except TypeError:
            # A compiled class is final, and needs no twin.
            twin = cls
        _OPEN[cls] = twin
    return twin


def final_twin(cls: type) -> type:
    """Like ``open_twin``, and forbid subclassing from now on, as the compiled class does."""
    twin = open_twin(cls)
    final(cls)
    return twin


def final(cls: type) -> None:
    """Let no further class derive from a class, with the error that Python raises for a compiled one."""
    # A compiled class is final by its declaration, and takes no new attribute.
    with suppress(TypeError):
        cls.__init_subclass__ = classmethod(_refuse_subclass)  # type: ignore[assignment]


def _refuse_subclass(cls: type) -> None:
    base = cls.__mro__[1]
    raise TypeError(f"type '{base.__module__}.{base.__qualname__}' is not an acceptable base type")


def thaw(value: Any) -> None:
    """Open a value while it is being built, so that its fields can be assigned."""
    _assign(value, "__class__", _OPEN.get(type(value)) or open_twin(type(value)))


def freeze(value: Any) -> None:
    """Close a value opened by ``thaw`` or created by ``blank``: from now on it is immutable."""
    value.__class__ = type(value).__base__
