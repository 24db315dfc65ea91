"""Loops over Readys are few, each has a reason, and tools.loops finds them however they are written."""

import ast
import textwrap

import pytest

from tests.support.needs import ROOT
from tools.loops import LOOPS_MAX, Loop, Program, loops_of, programs

pytestmark = pytest.mark.once


def loops(text: str, path: str = "some.py") -> list[Loop]:
    """The loops of a file with this text."""
    text = textwrap.dedent(text)
    return loops_of(Program(path, ast.parse(text), text.splitlines()))


def names(text: str) -> list[str]:
    return [loop.name for loop in loops(text)]


def test_there_are_few_and_each_has_a_reason() -> None:
    found = [loop for program in programs(ROOT) for loop in loops_of(program)]
    assert [f"{loop.path}:{loop.line} {loop.name}" for loop in found if not loop.reason] == []
    assert len(found) <= LOOPS_MAX
    # These cannot be anything else: the script handler, whose text is compared, and the loop of a user of Node.
    assert {"raftcy/rafttest/handlers/storage_work.py", "docs/guide.md"} <= {loop.path for loop in found}


PLAIN = """
def drive(node, storage):
    while node.has_ready():
        rd = node.ready()
        storage.append(rd.entries)
        apply(rd.committed_entries)
        node.advance()
"""


def test_a_loop_in_one_function() -> None:
    assert loops(PLAIN) == [Loop("some.py", 2, "drive", "")]


@pytest.mark.parametrize(
    "call",
    ["self.disk.append(rd.entries)", "storage.save(rd)", "save_ready(log, rd)", "log.set_hard_state(rd.hard_state)"],
)
def test_all_ways_to_store(call: str) -> None:
    assert names(PLAIN.replace("storage.append(rd.entries)", call)) == ["drive"]


def test_a_loop_that_is_spread_over_functions() -> None:
    """The function that ends rounds counts; the function that calls it does not."""
    spread = """
        def drive(node, storage):
            while node.has_ready():
                handle(node, storage, node.ready())

        def handle(node, storage, rd):
            keep(storage, rd)
            put_in_force(node, rd)
            node.advance()

        def keep(storage, rd):
            storage.set_hard_state(rd.hard_state)

        def put_in_force(node, rd):
            for e in rd.committed_entries:
                node.apply_conf_change(e)
    """
    assert names(spread) == ["handle"]


def test_a_class_is_one_loop() -> None:
    whole = """
        class Member:
            def begin(self):
                self.rd = self.node.ready()
                self.storage.save(self.rd)
                return self.rd.committed_entries

            def finish(self):
                self.node.advance()

            def again(self):
                self.node.advance()
    """
    assert names(whole) == ["Member"]


@pytest.mark.parametrize("target", ["m.to == LOCAL_APPEND_THREAD", "m.type != k.MSG_STORAGE_APPEND"])
def test_storage_threads(target: str) -> None:
    threads = f"""
        def work(node, storage, apply):
            for m in node.ready().messages:
                if {target}:
                    storage.append(m.entries)
                elif m.to == LOCAL_APPLY_THREAD:
                    apply(m.entries)
    """
    assert names(threads) == ["work"]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("        node.advance()\n", ""),
        PLAIN.replace("        storage.append(rd.entries)\n", ""),
        PLAIN.replace("        apply(rd.committed_entries)\n", ""),
        PLAIN.replace("storage.append", "seen.append"),
        """
        def drive(driver, storage):
            while (work := driver.poll()) is not None:
                storage.append(work.write.entries)
                driver.stored(work.write)
                while (batch := driver.next_batch()) is not None:
                    driver.finish(batch)
        """,
    ],
    ids=["not advanced", "not stored", "not applied", "no storage", "steps of a driver"],
)
def test_code_that_is_not_a_loop(text: str) -> None:
    assert loops(text) == []


def test_a_single_round_in_a_test_does_not_count() -> None:
    steps = PLAIN.replace("drive(", "test_advance(").replace("while node.has_ready()", "if node.has_ready()")
    assert names(steps) == []
    assert names(PLAIN.replace("drive(", "test_advance(")) == ["test_advance"]
    assert names(steps.replace("test_advance(", "advanced(")) == ["advanced"]


def test_where_the_reason_stands() -> None:
    above = PLAIN.replace("def drive", "# A loop of its own: it is older\n# than the driver.\ndef drive")
    assert [loop.reason for loop in loops(above)] == ["it is older than the driver."]
    inside = PLAIN.replace("    while", '    """Drive."""\n    # A loop of its own: it is old.\n    while')
    assert [loop.reason for loop in loops(inside)] == ["it is old."]
    late = PLAIN.replace("        node.advance", "        # A loop of its own: it is old.\n        node.advance")
    assert [loop.reason for loop in loops(late)] == [""]


def test_documents_and_docstrings(tmp_path) -> None:
    """Programs in documents and docstrings count too, also outside of functions, with the right line of the file."""
    program = textwrap.dedent(PLAIN.partition(":\n")[2])
    fenced = f"Some text.\n\n<!-- A loop of its own: to show it. -->\n```python\n{program}```\n"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/guide.md").write_text(fenced)
    (tmp_path / "README.md").write_text(fenced.replace("```python", "```text"))
    (tmp_path / "raftcy").mkdir()
    docstring = textwrap.indent(program, "    ")
    (tmp_path / "raftcy/node.py").write_text(f'"""A node.\n\nDo this::\n\n{docstring}\nAnd that.\n"""\n')
    found = [loop for each in programs(tmp_path) for loop in loops_of(each)]
    assert found == [
        Loop("raftcy/node.py", 5, "program", ""),
        Loop("docs/guide.md", 5, "program", "to show it."),
    ]
