"""The documents name only commands, targets and files that exist."""

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys

import pytest

from raftcy._build import SWITCH
from tests.support.needs import ROOT, needs_shared
from tests.support.transports import free_port

pytestmark = pytest.mark.once

TARGETS = {
    "build", "quick", "test", "test-all", "demo", "bench", "verify", "fix", "proto", "annotate", "clean", "coverage",
    "asan", "wheels", "fuzz", "valgrind",
}  # fmt: skip
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def test_the_makefile_has_every_target() -> None:
    assert targets() >= TARGETS


def test_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_existing_targets(path) -> None:
    named = set(re.findall(r"(?:^|`|\$ )make ([a-z][a-z-]*)", path.read_text(), re.M))
    assert named <= targets()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_existing_tests(path) -> None:
    for file, name in re.findall(r"`(?:tests/)?([\w/]+/test_\w+\.py)(?:::(test_\w+))?`", path.read_text()):
        text = (ROOT / "tests" / file).read_text()
        assert not name or f"def {name}(" in text, f"{file}::{name}"


def blocks(language: str) -> list[object]:
    """The fenced blocks of one language, each as a parameter named after its document."""
    found = []
    for path in DOCUMENTS:
        texts = re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.M | re.S)
        found += [pytest.param(text, id=f"{path.stem}-{number}") for number, text in enumerate(texts, 1)]
    return found


def with_free_ports(program: str) -> str:
    """The program with other ports: several run at once, some of them the same one."""
    for address in sorted(set(re.findall(r"127\.0\.0\.1:\d+", program))):
        program = program.replace(address, f"127.0.0.1:{free_port()}")
    return program


def run(*command: str, build: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), SWITCH: "1" if build == "pure" else "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("build", ["active", "pure"])
@pytest.mark.parametrize("text", [each for each in blocks("python") if "import" in each.values[0]])
def test_programs_run(text: str, build: str) -> None:
    told = run(sys.executable, "-W", "error", "-c", with_free_ports(text), build=build)
    assert told
    # A comment behind a print in a document says what it prints.
    promised = re.findall(r"^ *print\(.*\)  # (.+)$", text, re.M)
    assert not promised or told.splitlines() == promised


class _Fails(ast.NodeTransformer):
    """Puts an error at the beginning of one function, or of one loop over Readys."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.names: list[str] = []

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.AsyncFor):
            if len(self.names) == self.place:
                node.body[:0] = ast.parse('raise ValueError("my application has a bug")').body
            self.names.append(getattr(node, "name", "async for"))
        return self.generic_visit(node)


def failing(text: str) -> list[tuple[str, str]]:
    """The program with an error in each of its functions in turn: the function's name, and the program."""
    found = []
    while True:
        fails = _Fails(len(found))
        tree = fails.visit(ast.parse(text))
        if len(found) == len(fails.names):
            return found
        found.append((fails.names[len(found)], ast.unparse(ast.fix_missing_locations(tree))))


FAILING = [
    pytest.param(program, id=f"{block.id}-{name}")
    for block in blocks("python")
    if "import" in block.values[0]
    for name, program in failing(block.values[0])
]


@pytest.mark.parametrize("program", FAILING)
def test_programs_do_not_hide_errors(program: str) -> None:
    """A reader who builds on a sample makes mistakes. They must surface; the sample must not hang or go on.

    A change of members waits a minute for a newcomer whose machine fails, until it says so; here it waits for less.
    """
    hurried = re.sub(r"\.add\((\d+)\)", r".add(\1, timeout_s=15)", program)
    command = [sys.executable, "-c", with_free_ports(hurried)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "my application has a bug" in done.stderr


def test_an_error_is_put_into_each_function() -> None:
    text = "def f():\n    pass\nclass C:\n    async def g(self):\n        async for x in y:\n            pass\n"
    assert [name for name, _ in failing(text)] == ["f", "g", "async for"]
    assert all(program.count("my application has a bug") == 1 for _, program in failing(text))
    assert len(FAILING) > 40


@pytest.mark.parametrize("text", blocks("python"))
def test_programs_wait_for_their_tasks(text: str) -> None:
    """A task that nobody waits for takes its error with it: samples start tasks in a TaskGroup."""
    started = re.findall(r"(\w+)\.(?:create_task|ensure_future)\(", text)
    assert "ensure_future" not in text
    for name in started:
        assert re.search(rf"asyncio\.TaskGroup\(\) as {name}\b", text)


@pytest.mark.parametrize("text", blocks("python"))
def test_examples_are_python(text: str) -> None:
    compile(text, "example", "exec")


def commands() -> list[str]:
    """The `python -m` commands that the documents show, in blocks and in lines of text."""
    texts = [path.read_text() for path in DOCUMENTS]
    return sorted({line for text in texts for line in re.findall(r"(?:^|`)(python -m [^`\n]+)", text, re.M)})


@pytest.mark.parametrize("command", commands())
def test_commands_exist(command: str) -> None:
    module = shlex.split(command)[2]
    spec = importlib.util.find_spec(module)
    assert spec is not None
    if spec.submodule_search_locations is not None:
        assert importlib.util.find_spec(f"{module}.__main__") is not None


@pytest.mark.parametrize("command", [each for each in commands() if "../shared" in each])
def test_commands_on_shared_files_run(command: str) -> None:
    words = shlex.split(command.replace("../shared", str(needs_shared())))
    assert run(sys.executable, *words[1:], build="active").splitlines()[-1].endswith(" 0 failed")
