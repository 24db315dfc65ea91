"""A coroutine where a plain call is meant: nobody would ever run it, and what it should have stored would be lost."""

import inspect
from typing import Any

from ..errors import StorageFailed


def refuse_coroutine(of: Any, name: str) -> None:
    """Raise TypeError if the method ``name`` of an object is a coroutine function, or an asynchronous generator."""
    method = getattr(of, name)
    if any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (method, _call(method))):
        raise TypeError(f"{type(of).__name__}.{name}() must be a plain function: nobody awaits its coroutine")


def _call(method: Any) -> Any:
    """What runs when an object is called that is no function itself."""
    return type(method).__call__


def refuse_awaitable(result: Any, name: str) -> None:
    """Raise StorageFailed if a storage's method ``name`` has returned something to await instead of doing its work."""
    if result is None or not hasattr(result, "__await__"):
        return
    if inspect.iscoroutine(result):
        result.close()
    raise StorageFailed(f"{name}() of the storage returned a {type(result).__name__}: nobody awaits it")
