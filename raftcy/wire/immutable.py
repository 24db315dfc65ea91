"""Values that cannot be assigned to, at the price of one class switch in the pure build.

A value class forbids attribute assignment by its ``__setattr__``. In the compiled build its own code writes C fields
and never meets that; there ``unseal`` and ``seal`` are nothing (``immutable.pxd``). In the pure build they switch an
object between its class and that class's open twin, which has the same slots and the ordinary ``__setattr__``.
"""

from contextlib import suppress
from typing import Any

_OPEN: dict[type, type] = {}
_assign = object.__setattr__


def open_twin(cls: type) -> type:
    """The twin class of a value class whose objects can be assigned to."""
    twin = _OPEN.get(cls)
    if twin is None:
        body = {"__slots__": (), "__setattr__": object.__setattr__, "__module__": cls.__module__}
        try:
            twin = type("Open" + cls.__name__, (cls,), body)
        except TypeError:
            # A compiled class is final and is never opened.
            twin = cls
        _OPEN[cls] = twin
    return twin


def final_twin(cls: type) -> type:
    """``open_twin``, and no further class can derive from the class, as none can from its compiled form."""
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
    """Let the fields of a value be assigned, while it is being built."""
    _assign(value, "__class__", _OPEN.get(type(value)) or open_twin(type(value)))


def freeze(value: Any) -> None:
    """End what ``thaw``, or a new object of ``blank``, has begun."""
    value.__class__ = type(value).__base__
