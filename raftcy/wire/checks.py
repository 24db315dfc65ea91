"""Argument checks and comparisons shared by every value class.

Owns the rules for what a field may hold, and the texts of the errors when it does not. Knows no class by name.
"""

import operator
from typing import Any, TypeVar

from ..errors import RangeError

U64_MAX = 2**64 - 1


def u64(value: Any, name: str) -> int:
    """Return ``value`` as an int from 0 to 2**64-1. Raises TypeError or RangeError, naming the field."""
    if type(value) is not int:
        value = _integer(value, name)
    if value < 0 or value > U64_MAX:
        raise RangeError(f"{name} must be 0 to 2**64-1, not {value}")
    return value  # type: ignore[no-any-return]


def i32(value: Any, name: str) -> int:
    """Return ``value`` as an enum's number, a signed 32-bit int. Raises TypeError or RangeError."""
    if type(value) is not int:
        value = _integer(value, name)
    if value < -(2**31) or value > 2**31 - 1:
        raise RangeError(f"{name} must be a signed 32-bit number, not {value}")
    return value  # type: ignore[no-any-return]


_E = TypeVar("_E")

BytesLike = bytes | bytearray | memoryview
"""What an argument of bytes may be."""


def octets(value: Any, name: str) -> bytes:
    """Return ``value`` as bytes, copying a bytearray or memoryview. Raises TypeError for anything else."""
    if type(value) is bytes:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{name} must be bytes, not {type(value).__name__}")


def flag(value: Any, name: str) -> bool:
    """Return ``value`` if it is a bool. Raises TypeError otherwise."""
    if value is True or value is False:
        return value
    raise TypeError(f"{name} must be a bool, not {type(value).__name__}")


def instance(value: Any, cls: Any, name: str) -> Any:
    """Return ``value`` if it is an instance of ``cls``, a class or a tuple of them. Raises TypeError otherwise."""
    if not isinstance(value, cls):
        wanted = " or ".join([each.__name__ for each in (cls if isinstance(cls, tuple) else (cls,))])
        raise TypeError(f"{name} must be of {wanted}, not {type(value).__name__}")
    return value


def instances(value: Any, cls: type, name: str) -> list[Any]:
    """Return a new list of the items of ``value``. Raises TypeError if one is not a ``cls``."""
    items = list(value)
    for item in items:
        instance(item, cls, name)
    return items


def u64s(value: Any, name: str) -> list[int]:
    """Return a new list of the items of ``value``, each checked by ``u64``."""
    return [u64(item, name) for item in value]


def member(table: dict[int, _E], number: int) -> _E | int:
    """Return the enum member for ``number``, or the number itself if it is unknown."""
    return table.get(number, number)


def same(a: Any, b: Any) -> bool:
    """Whether two values of the same class have equal fields. An absent field equals its default."""
    return all(getattr(a, name) == getattr(b, name) for name in a.__match_args__)


def digest(a: Any) -> int:
    """A hash consistent with ``same``."""
    fields = (getattr(a, name) for name in a.__match_args__)
    return hash((type(a).__name__, *(tuple(f) if isinstance(f, list) else f for f in fields)))


def describe(a: Any) -> str:
    """The repr: lists the fields that are present, and evaluates to an equal value."""
    shown = ", ".join(f"{name}={_literal(getattr(a, name))}" for name in a.__match_args__ if a.has(name))
    return f"{type(a).__name__}({shown})"


def frozen(a: Any, name: str) -> AttributeError:
    """The error for assigning to a field of a value."""
    return AttributeError(f"{type(a).__name__} is immutable: cannot assign or delete {name!r}")


def _integer(value: Any, name: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not bool")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(value).__name__}") from None


def _literal(value: Any) -> str:
    if isinstance(value, int) and hasattr(value, "name") and not isinstance(value, bool):
        return f"{type(value).__name__}.{value.name}"
    return repr(value)
