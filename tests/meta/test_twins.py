"""The two builds have the same modules, and these have the same names and signatures.

A compiled module has no signature objects. Its functions carry their signature in the first line of the docstring, and
the tests compare that line with the plain module's signature.
"""

import ast
import importlib
import inspect
import re
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import raftcy
from raftcy import _build
from tests.support.needs import missing

from ._source import PACKAGE, module, name, tree

pytestmark = pytest.mark.once

COMPILED = _build._compilable()
KERNELS = sorted(module(path) for path in PACKAGE.rglob("*.pyx"))


def pair(dotted: str) -> tuple[ModuleType, ModuleType]:
    """A module in the build that runs, and in the pure build."""
    return importlib.import_module(f"raftcy.{dotted}"), importlib.import_module(f"raftcy_pure.{dotted}")


def test_every_declaration_has_its_source() -> None:
    missing = [name(path) for path in PACKAGE.rglob("*.pxd") if not path.with_suffix(".py").exists()]
    assert missing == [], "a .pxd needs a .py of the same name"


def test_every_kernel_has_its_plain_twin() -> None:
    missing = [name(path) for path in PACKAGE.rglob("*.pyx") if not path.with_suffix(".py").exists()]
    assert missing == [], "a .pyx needs a .py of the same name"
    assert {"core.hardstate", "core.entries", "core.inflights", "core.acks", "wire.codec"} <= set(KERNELS)


def test_declarations_of_plain_modules_say_so() -> None:
    """Such a `.pxd` holds only inline functions or numbers; a class or function meant to be compiled would be lost."""
    for path in PACKAGE.rglob("*.pxd"):
        if module(path) not in COMPILED:
            text = path.read_text()
            assert "itself is not compiled" in text.splitlines()[0]
            assert not re.search(r"^(cdef class|cpdef|@cython)", text, re.M), name(path)


@pytest.mark.parametrize("dotted", COMPILED)
def test_the_build_is_what_it_says(dotted: str) -> None:
    active, plain = pair(dotted)
    assert plain.__file__ is not None
    assert plain.__file__.endswith(".py")
    assert active.__file__ is not None
    assert active.__file__.endswith(".py") == (raftcy.BUILD == "pure")


def compiled(dotted: str) -> tuple[ModuleType, ModuleType]:
    active, plain = pair(dotted)
    if raftcy.BUILD == "pure":
        missing("the compiled build to compare with")
    return active, plain


def imported(dotted: str) -> set[str]:
    """The names that a plain module imports from elsewhere; they do not belong to it."""
    nodes = [node for node in ast.walk(plain_tree(dotted)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {(alias.asname or alias.name).partition(".")[0] for node in nodes for alias in node.names}


def plain_tree(dotted: str) -> ast.Module:
    return tree(PACKAGE.joinpath(*dotted.split(".")).with_suffix(".py"))


def public(of: ModuleType | type, without: set[str] = frozenset()) -> dict[str, str]:
    """The public names of a module or class with their kinds, without names that a module only imports."""
    names = {key: value for key, value in vars(of).items() if not key.startswith("_") and key not in without}
    if inspect.ismodule(of):
        names = {key: value for key, value in names.items() if home(value) in (None, home(of))}
    return {key: kind(value) for key, value in names.items()}


def home(value: object) -> str | None:
    """The module that defines a function or class, or the module itself, without the name of the package."""
    where = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
    return where.partition(".")[2] if isinstance(where, str) else None


def kind(value: object) -> str:
    """The kind of a name, the same for both builds: a compiled field is a descriptor where a plain one is a slot."""
    if inspect.isclass(value):
        return "class"
    if inspect.ismodule(value):
        return "module"
    if isinstance(value, staticmethod | classmethod):
        return "function"
    if inspect.isdatadescriptor(value):
        return "field"
    return "function" if callable(value) else "value"


def of_source(arguments: ast.arguments) -> str:
    """Parameters with their defaults, without annotations and the receiver."""
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if each is not None:
            each.annotation = None
    return re.sub(r"^(self|cls)(, |$)", "", ast.unparse(arguments))


def of_compiled(function: Any) -> str | None:
    """The same for a compiled function, from the text that ``inspect.signature`` reads too."""
    text = getattr(function, "__text_signature__", None)
    if text is None:
        # A method of an ordinary class: the text stands in its docstring.
        head, _, rest = (function.__doc__ or "").partition(")\n--\n")
        if not rest and not (function.__doc__ or "").endswith(")\n--\n"):
            return None
        text = head.partition("(")[2].join("()")
    parsed = ast.parse(f"def f{text.replace('$', '')}: ...").body[0]
    assert isinstance(parsed, ast.FunctionDef)
    return re.sub(r"^/(, |$)", "", of_source(parsed.args))


def test_signatures_are_read_right() -> None:
    def described(text: str | None, doc: str = "") -> Any:
        return SimpleNamespace(__text_signature__=text, __doc__=doc)

    assert of_compiled(described("($self, /, index, sizes=[1, 2])")) == "index, sizes=[1, 2]"
    assert of_compiled(described("($self, /)")) == ""
    assert of_compiled(described("(a=None, *, b, c=(1, 2))")) == "a=None, *, b, c=(1, 2)"
    assert of_compiled(described(None, "look(self, index)\n--\n\nLook.")) == "index"
    assert of_compiled(described(None, "What it does (and why).")) is None
    (function,) = ast.parse("def f(self, a: int, *rest: int, b: str = 'x', **more: int) -> int: ...").body
    assert isinstance(function, ast.FunctionDef)
    assert of_source(function.args) == "a, *rest, b='x', **more"


@pytest.mark.parametrize("dotted", COMPILED)
def test_twins_have_the_same_names(dotted: str) -> None:
    active, plain = compiled(dotted)
    foreign = imported(dotted)
    assert public(active, foreign) == public(plain, foreign)
    for key, value in vars(plain).items():
        if not key.startswith("_") and inspect.isclass(value) and value.__module__ == plain.__name__:
            twin = getattr(active, key)
            assert public(twin) == public(value), key
            assert getattr(twin, "__match_args__", None) == getattr(value, "__match_args__", None), key
            assert (twin.__hash__ is None) == (value.__hash__ is None), key
            special = [each for each in vars(value) if re.fullmatch(r"__\w+__", each) and callable(vars(value)[each])]
            lost = [each for each in special if getattr(twin, each, None) is getattr(object, each, None)]
            assert lost == [], key


@pytest.mark.parametrize("dotted", COMPILED)
def test_twins_have_the_same_signatures(dotted: str) -> None:
    active, _ = compiled(dotted)
    compared = 0
    for node in plain_tree(dotted).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert of_compiled(getattr(active, node.name)) == of_source(node.args), node.name
            compared += 1
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            compared += compare_class(getattr(active, node.name), node)
    assert compared > 0


def compare_class(twin: type, node: ast.ClassDef) -> int:
    """Compare the constructor and the public methods; returns how many were compared."""
    compared = 0
    for method in node.body:
        if not isinstance(method, ast.FunctionDef) or is_property(method):
            continue
        if method.name == "__init__":
            # An abstract class, which nobody makes, does not tell how.
            if hasattr(twin, "__signature__") or names_of(method.args):
                told = [each.name for each in inspect.signature(twin).parameters.values()]
                assert told == names_of(method.args), node.name
        elif not method.name.startswith("_"):
            assert of_compiled(getattr(twin, method.name)) == of_source(method.args), f"{node.name}.{method.name}"
        compared += 1
    return compared


def names_of(arguments: ast.arguments) -> list[str]:
    every = (*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg)
    return [each.arg for each in every if each is not None and each.arg != "self"]


def is_property(method: ast.FunctionDef) -> bool:
    return any(ast.unparse(each).endswith(("property", ".setter")) for each in method.decorator_list)
