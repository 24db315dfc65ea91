"""Refuses coroutines where raftcy makes plain calls: no code would await them, so a write by one would never happen."""

import inspect
from typing import Any

from ..errors import StorageFailed


def refuse_coroutine(of: Any, name: str) -> None:
    """Raise TypeError if the method ``name`` of an object is a coroutine function or an asynchronous generator."""
    method = getattr(of, name)
    if any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (method, _call(method))):
        raise TypeError(f"{type(of).__name__}.{name}() must be a plain function: nobody awaits its coroutine")


def _call(method: Any) -> Any:
    """Return the function that runs when ``method``, which may be any callable object, is called."""
    return type(method).__call__


def refuse_awaitable(result: Any, name: str) -> None:
    """Raise StorageFailed if a storage's method ``name`` returned an awaitable instead of doing its work."""
    if result is None or not hasattr(result, "__await__"):
        return
    if inspect.iscoroutine(result):
        result.close()
    raise StorageFailed(f"{name}() of the storage returned a {type(result).__name__}: nobody awaits it")
