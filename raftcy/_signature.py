"""The signature of a compiled class, read from its source.

Cython knows how a class is called but does not tell ``inspect.signature``, so ``help`` and completion could say
nothing. The source lies beside every extension module, in wheels too, and is read when somebody asks.
"""

import ast
import builtins
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any, ForwardRef


class FromSource:
    """The ``__signature__`` of compiled classes. Without a source it raises AttributeError, as if it were absent."""

    def __get__(self, made: object, cls: type) -> inspect.Signature:
        found = _signature(cls) if made is None else None
        if found is None:
            raise AttributeError("__signature__")
        return found


class _Names(dict[str, Any]):
    """The names of a module. Some classes are known to the compiled module alone; the public ones are the package's."""

    def __missing__(self, name: str) -> Any:
        found = getattr(builtins, name, None) or getattr(sys.modules[__name__.partition(".")[0]], name, None)
        return ForwardRef(name) if found is None else found


@cache
def _signature(cls: type) -> inspect.Signature | None:
    module = sys.modules[cls.__module__]
    source = Path(module.__file__ or "").with_name(f"{cls.__module__.rpartition('.')[2]}.py")
    if not source.exists():
        return None
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and each.name == "__init__":
                    return _signature_of(each, vars(module))
    return None


def _signature_of(definition: ast.FunctionDef, names: dict[str, Any]) -> inspect.Signature:
    """Let Python itself make the function, without a body, so that defaults and annotations are what they are."""
    definition.body = [ast.Pass()]
    definition.decorator_list = []
    module = ast.fix_missing_locations(ast.Module([definition], []))
    scope = _Names(names)
    exec(compile(module, "<signature>", "exec"), {}, scope)
    signature = inspect.signature(scope["__init__"])
    return signature.replace(parameters=list(signature.parameters.values())[1:])
