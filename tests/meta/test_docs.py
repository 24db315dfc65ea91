"""The documents name only commands, targets and files that exist."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys

import pytest

from raftcy._build import SWITCH
from tests.support.needs import ROOT, needs_shared

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


def blocks(language: str) -> list[object]:
    """The fenced blocks of one language, each as a parameter named after its document."""
    found = []
    for path in DOCUMENTS:
        texts = re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.M | re.S)
        found += [pytest.param(text, id=f"{path.stem}-{number}") for number, text in enumerate(texts, 1)]
    return found


def run(*command: str, build: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), SWITCH: "1" if build == "pure" else "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("build", ["active", "pure"])
@pytest.mark.parametrize("text", [each for each in blocks("python") if "import" in each.values[0]])
def test_programs_run(text: str, build: str) -> None:
    told = run(sys.executable, "-W", "error", "-c", text, build=build)
    assert told
    # A comment behind a print in a document says what it prints.
    promised = re.findall(r"^ *print\(.*\)  # (.+)$", text, re.M)
    assert not promised or told.splitlines() == promised


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
