"""Edits of the package's source, anchored by function and code, so that layout and comments do not matter."""

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]

_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Edit(NamedTuple):
    """Replaces `old`, which stands once in `function` of the file `raftcy/<file>`, by `new`.

    `function` is a qualified name such as "Raft.step", or "" for the whole module. `old` is an expression, or one or
    more consecutive statements. Both texts are parsed, and the code is found by its syntax tree, not by its text. If
    the function has it more than once, `nth` selects one, counted from 1.

    An empty `new` removes statements, and leaves `pass` in a block that would be empty.
    """

    file: str
    function: str
    old: str
    new: str
    nth: int = 0


class Moved(Exception):
    """An edit does not fit its file: the function or the code is missing or ambiguous, or the edit changes nothing."""


def edited(edit: Edit, module: ast.Module) -> None:
    """Make an edit in the tree of a file. If it does not fit, raise Moved and leave the tree unchanged."""
    old, new = ast.parse(edit.old).body, ast.parse(edit.new).body
    if not old or _dumped(old) == _dumped(new):
        raise Moved(f"an edit of {edit.file} changes nothing")
    scopes = _scopes(edit, module)
    if len(old) == len(new) == 1 and isinstance(old[0], ast.Expr) and isinstance(new[0], ast.Expr):
        _edit_expression(edit, scopes, old[0].value, new[0].value)
    else:
        _edit_statements(edit, scopes, old, new)


def edited_files(edits: Iterable[Edit]) -> dict[str, str]:
    """The edited files of the package, as names with texts. Raises Moved if an edit does not fit."""
    trees: dict[str, ast.Module] = {}
    for edit in edits:
        if edit.file not in trees:
            trees[edit.file] = ast.parse((ROOT / "raftcy" / edit.file).read_text(encoding="utf-8"))
        edited(edit, trees[edit.file])
    return {file: ast.unparse(tree) + "\n" for file, tree in trees.items()}


def _edit_expression(edit: Edit, scopes: list[ast.AST], old: ast.expr, new: ast.expr) -> None:
    dumped = ast.dump(old)
    found = [
        node
        for scope in scopes
        for node in ast.walk(scope)
        if type(node) is type(old) and isinstance(node, ast.expr) and ast.dump(node) == dumped
    ]
    found.sort(key=_position)
    place = found[_chosen(edit, len(found))]
    _move(new, place)
    swap = _Swap(place, new)
    for scope in scopes:
        swap.visit(scope)


def _edit_statements(edit: Edit, scopes: list[ast.AST], old: list[ast.stmt], new: list[ast.stmt]) -> None:
    dumped, count = _dumped(old), len(old)
    found = [
        (block, at)
        for scope in scopes
        for node in ast.walk(scope)
        for block in _blocks(node)
        for at in range(len(block) - count + 1)
        if type(block[at]) is type(old[0]) and _dumped(block[at : at + count]) == dumped
    ]
    found.sort(key=lambda place: _position(place[0][place[1]]))
    block, at = found[_chosen(edit, len(found))]
    if not new and len(block) == count:
        new = [ast.Pass()]
    for node in new:
        _move(node, block[at])
    block[at : at + count] = new


def _chosen(edit: Edit, count: int) -> int:
    """Which of that many places an edit means, counted from 0."""
    if edit.nth == 0 and count == 1:
        return 0
    if 1 <= edit.nth <= count:
        return edit.nth - 1
    wanted = f"at least {edit.nth} times" if edit.nth else "once"
    told = f"{count} times in {edit.function or 'the module'} instead of {wanted}"
    raise Moved(f"{edit.file} has this {told}, so the fault must be adapted:\n{edit.old}")


def _scopes(edit: Edit, module: ast.Module) -> list[ast.AST]:
    """The definitions of an edit's function; several if a property also has a setter."""
    scopes: list[ast.AST] = [module]
    for name in edit.function.split(".") if edit.function else ():
        scopes = [
            node
            for scope in scopes
            for node in getattr(scope, "body", ())
            if isinstance(node, _Definition) and node.name == name
        ]
    if not scopes:
        raise Moved(f"{edit.file} has no {edit.function}, so the fault must be adapted")
    return scopes


def _blocks(node: ast.AST) -> Iterable[list[ast.stmt]]:
    """The lists of statements in a node."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


def _dumped(statements: list[ast.stmt]) -> list[str]:
    return [ast.dump(each) for each in statements]


def _position(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _move(new: ast.AST, place: ast.AST) -> None:
    """Give a node and everything in it the position of the node that it replaces."""
    for node in ast.walk(new):
        ast.copy_location(node, place)


class _Swap(ast.NodeTransformer):
    """Puts one node in place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old = old
        self.new = new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)
