"""The cases: every exported function, class, method and property, with each odd value in each place.

The names come from the packages themselves and the parameters from the pure build, so that what is added to the API is
swept without an entry here. A class whose methods are to be called needs an object, which `made.OBJECTS` has.
"""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from . import made


class Case(NamedTuple):
    """`cls` names the object that is `it` in `statement`, "" for none; `in_loop` if it needs an event loop."""

    cls: str
    statement: str
    in_loop: bool = False


# Functions that need an event loop, and what is no class of objects of ours.
IN_LOOP = {"start_node", "restart_node", "Node"}
# Protocols, enums, errors and plain numbers: nothing in them is compiled, or takes an argument of ours.
NOT_SWEPT = {"LogStorage", "Storage", "StateMachine", "TraceLogger", "Outcome", "NdjsonTraceLogger"}
NOT_SWEPT |= {"TracingEvent", "TracingMessage", "TracingState"}
# Services on asyncio, with files and sockets; plain Python in both builds, above the driver that is swept.
NOT_SWEPT |= {"Host", "Replica", "Tuning"}
# Its numbers are converted as C does it, since the core calls these methods at every message; nothing may crash.
CONVERTED = {"Progress"}
# What would wait, write to a file or end this process by design.
NOT_CALLED = {"__class__", "__init_subclass__", "__subclasshook__", "__dir__", "__sizeof__", "__getstate__"}
DUNDERS = ("__eq__", "__ne__", "__hash__", "__repr__", "__str__", "__reduce__", "__init__", "__copy__", "__delattr__")


def parameters(call: Any) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return None


def good(parameter: inspect.Parameter) -> str:
    return made.GOOD.get(parameter.name, "1")


def calls(prefix: str, of: Any, skip: int = 0) -> Iterator[str]:
    """Statements that call `prefix` with each odd value in the place of each parameter, and without any."""
    yield f"{prefix}()"
    found = parameters(of)
    if found is None:
        for odd in made.ODD:
            yield f"{prefix}({odd})"
        return
    found = [each for each in found[skip:] if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    needed = [each for each in found if each.default is each.empty]
    for changed in found:
        for odd in made.ODD:
            arguments = []
            for each in found:
                if each is not changed and each not in needed:
                    continue
                value = odd if each is changed else good(each)
                arguments.append(f"{each.name}={value}" if each.kind is each.KEYWORD_ONLY else value)
                if each is changed and each not in needed and each.kind is not each.KEYWORD_ONLY:
                    arguments[-1] = f"{each.name}={value}"
            yield f"{prefix}({', '.join(arguments)})"


def of_class(name: str, cls: Any) -> Iterator[Case]:
    loop = name in IN_LOOP
    path = f"raftcy.{name}" if hasattr(made.raftcy, name) else name
    for statement in calls(path, cls):
        yield Case("", statement, loop)
    yield Case("", f"{path}.__new__({path})")
    yield Case("", f"{path}.__new__()")
    yield Case("", f"{path}.__new__(int)")
    yield Case("", f"type('X', ({path},), {{'__init__': lambda self: None}})()")
    for attribute in dir(cls):
        if attribute in NOT_CALLED or (attribute.startswith("_") and attribute not in DUNDERS):
            continue
        value = inspect.getattr_static(cls, attribute)
        half = f"{path}.__new__({path}).{attribute}"
        if isinstance(value, (staticmethod, classmethod)):
            for statement in calls(f"{path}.{attribute}", getattr(cls, attribute)):
                yield Case("", statement)
        elif callable(value):
            yield Case("", half + "()")
            for statement in calls(f"it.{attribute}", value, skip=1):
                yield Case(name, statement, loop)
        else:
            yield Case("", half)
            yield Case(name, f"it.{attribute}", loop)


def copies(name: str) -> Iterator[Case]:
    for act in ("copy.copy(it)", "copy.deepcopy(it)", "pickle.loads(pickle.dumps(it))"):
        yield Case(name, act, name in IN_LOOP)


def exported(package: ModuleType) -> Iterator[Case]:
    for name in sorted(package.__all__):
        value = getattr(package, name)
        if name in NOT_SWEPT or not callable(value):
            continue
        if inspect.isclass(value):
            if issubclass(value, BaseException) or hasattr(value, "__members__"):
                continue
            yield from of_class(name, value)
            yield from copies(name)
        else:
            for statement in calls(f"raftcy.{name}", value):
                yield Case("", statement, name in IN_LOOP)


def all_cases(pure: ModuleType) -> list[Case]:
    """Every case, from the names of the pure build; each once."""
    return list(dict.fromkeys(exported(pure)))
