"""The file format of scripts: parsing, comparing, rewriting, and its errors."""

import random
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.oracle import run_oracle
from tests.support.scripts import kit

FRAGMENTS = (
    ["", "", "", " ", "\t", "\v", "\u00a0", "\u2003 \u3000", "\x1c", "\u200b", "\ufeff", "----", "----", "----", "----"]
    + ["---- ", " ----", "-----", "---", "# comment", "  #", "x # no comment", "blank", "blank", "cmd", "cmd a b  c"]
    + [
        "cmd a=1 b= c=x=y",
        "cmd a=(1,2, 3)b=()",
        "cmd a=(1 ,(2,3),  4) ",
        "\tcmd\ta=1",
        "cmd a=(1",
        "cmd =1",
        "cmd a =1",
    ]
    + ["cmd a=(,,)", "cmd a=b\\", "cmd \\", "\\", "more\\", 'cmd q="\\x"', "cmd é=(ü,\u2028)", "text\r", "----\r", "\r"]
    + [
        "subtest a",
        "subtest a/b",
        "subtest end",
        "subtest end a",
        "subtest end a/b",
        "subtest",
        "subtest x y",
        "subtest end",
    ]
    + [
        "cmd \udcff=\udcc3(",
        "in\udcffvalid",
        "cmd a=(\U0001f600, \u0378)",
        'arg "a" []',
        'cmd "cmd"',
        'input ""',
        "one",
        "two",
    ]
)


def random_script(chance: random.Random) -> str:
    """Random lines, most of them valid."""
    lines = [chance.choice(FRAGMENTS) for _ in range(chance.randrange(25))]
    text = "\n".join(lines) + chance.choice(["", "\n", "\n", "\n\n"])
    return text if chance.randrange(4) else text.replace("subtest", "cmd")


@pytest.mark.full
def test_rewriting_agrees_with_the_reference(build: ModuleType, tmp_path: Path) -> None:
    """Any text is rewritten exactly as the reference rewrites it, or left alone where the reference fails."""
    rafttest = kit(build)
    chance = random.Random(7)
    texts = {f"s{i:03}.txt": random_script(chance) for i in range(600)}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(rafttest.datadriven.to_bytes(text))
    run_oracle("TestFormat", tmp_path, rewrite=True)
    failed = 0
    for name, text in texts.items():
        theirs = (tmp_path / name).read_bytes()
        try:
            ours = rafttest.rewrite_text(text, rafttest.SUITES["format"]())
        except rafttest.ScriptError:
            failed += 1
            ours = text
        assert rafttest.datadriven.to_bytes(ours) == theirs, (name, text)
    assert 50 < failed < 400


@pytest.mark.full
def test_comparing_agrees_with_the_reference(build: ModuleType, tmp_path: Path) -> None:
    """A text passes here if and only if it passes in the reference."""
    rafttest = kit(build)
    chance = random.Random(8)
    passing = set()
    for i in range(600):
        text = random_script(chance)
        if chance.randrange(2):
            try:
                text = rafttest.rewrite_text(text, rafttest.SUITES["format"]())
            except rafttest.ScriptError:
                continue
        (tmp_path / f"s{i:03}.txt").write_bytes(rafttest.datadriven.to_bytes(text))
        try:
            rafttest.run_text(text, rafttest.SUITES["format"]())
        except rafttest.ScriptError:
            continue
        passing.add(f"s{i:03}")
    log = run_oracle("TestFormat", tmp_path).stdout
    failing = {line.split("/")[-1].split()[0] for line in log.splitlines() if "--- FAIL" in line and "/s" in line}
    everything = {path.stem for path in tmp_path.glob("*.txt")}
    assert everything - failing == passing
    assert len(passing) > 50
    assert len(failing) > 50
