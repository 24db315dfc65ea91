"""Keeps objects whole: none can be seen before its ``__init__`` has succeeded, and none is initialised twice.

A method of a half-made object would read fields that are not set. The compiled build reads them without a check: the
process would end there. So ``X.__new__(X)`` gives a finished object, or raises what ``X()`` raises.

``whole.pyx`` does the same for compiled classes.
"""

from functools import wraps
from typing import Any


def keep_whole(cls: Any) -> None:
    """Let no object of a final class be seen half made; ``__init__`` of a finished one changes nothing."""
    begin = cls.__init__

    @wraps(begin)
    def __new__(of: Any, *args: Any, **kwargs: Any) -> Any:
        if of is not cls:
            raise _no_kind(cls, of)
        made = object.__new__(of)
        begin(made, *args, **kwargs)
        return made

    cls.__new__ = __new__
    cls.__init__ = _is_made


def begin_whole(cls: Any) -> None:
    """Let ``__cinit__`` begin each object of a class and its subclasses, as Cython does for a compiled class.

    A subclass whose ``__init__`` fails, or does not call that of its base, leaves a blank object and no half-made one.
    """
    begin = cls.__cinit__
    del cls.__cinit__

    @wraps(cls.__init__)
    def __new__(of: Any, *args: Any, **kwargs: Any) -> Any:
        made = object.__new__(of)
        begin(made)
        return made

    cls.__new__ = __new__


def has_one_owner(cls: Any) -> None:
    """Let nothing copy or pickle the objects of a class: two of it would act as one member of a group."""

    def __reduce__(self: Any) -> Any:
        raise refuse_copy(cls)

    cls.__reduce__ = __reduce__


def refuse_copy(cls: type) -> TypeError:
    """The error for copying or pickling what has one owner."""
    return TypeError(f"{cls.__name__} cannot be copied or pickled: it has one owner")


def _is_made(*args: Any, **kwargs: Any) -> None:
    """Take the place of ``__init__``: the object is made."""


def _no_kind(cls: Any, of: Any) -> TypeError:
    return TypeError(f"{cls.__name__}.__new__({of!r}): not {cls.__name__}")
