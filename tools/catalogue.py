"""Which tests here would catch the bugs that other implementations had: writes tests/catalogue.md, or compares it.

    python tools/catalogue.py [--check]

The bugs are the rows of `tests/mutants/rows.py`. A test says which of them it catches by a line of its docstring, with
the first issue of each:

    catches: etcd#7331, etcd#9333

A fault in `tests/mutants/faults` says which it brings back. What is said is put to the test by
`tests/mutants/test_named.py`: with a row's faults in the core, one at a time, each test that claims it turns red.

The table is refused, whatever the mode, if a name is no row's, if a claim stands in something that pytest does not run,
or if there is no fault to show it by. The check fails, too, if a row is not decided: without a test, a fault that the
simulator finds, or a reason; or if a row of one node or of the simulator has no fault.
"""

import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests._claims import claims  # noqa: E402
from tests.mutants.faults import FAULTS  # noqa: E402
from tests.mutants.rows import LEVELS, ROWS, Row  # noqa: E402

TESTS = ROOT / "tests"
TABLE = TESTS / "catalogue.md"


class Wrong(Exception):
    """The tests, the faults and the rows contradict each other; the text has a line for each contradiction."""


def brought_back() -> dict[str, list[str]]:
    """The names of the faults by the row that they bring back."""
    found = defaultdict(list)
    for fault in FAULTS.values():
        for name in fault.rows:
            found[name].append(fault.name)
    return found


def catchers() -> dict[str, list[str]]:
    """The tests here by the row that they catch; Wrong if any of that cannot be."""
    known = {row.name for row in ROWS}
    faults = brought_back()
    found = defaultdict(list)
    wrong = [f"a fault brings back {name!r}, which is no row" for name in sorted(set(faults) - known)]
    for path in sorted(TESTS.rglob("*.py")):
        for test, fault, names in claims(path, ROOT, "catches"):
            if fault:
                wrong.append(f"{test} {fault}")
            for name in names:
                if name not in known:
                    wrong.append(f"{test} catches {name!r}, which is no row")
                elif name not in faults:
                    wrong.append(f"{test} catches {name}, but no fault brings it back to show that")
                found[name].append(test)
    wrong += [
        f"the fault {fault.name} is for nobody to find"
        for fault in FAULTS.values()
        if fault.unseen and not any(found.get(name) for name in fault.rows)
    ]
    if wrong:
        raise Wrong("\n".join(wrong))
    return found


def is_caught(row: Row, found: dict[str, list[str]], faults: dict[str, list[str]]) -> bool:
    """Whether something here finds the bug: a test that says so, or the simulator."""
    return bool(found.get(row.name)) or any(not FAULTS[name].unseen for name in faults.get(row.name, ()))


def cell(row: Row, found: dict[str, list[str]], faults: dict[str, list[str]]) -> str:
    """What becomes of a bug here."""
    parts = [f"`{test.removeprefix('tests/')}`" for test in found.get(row.name, ())]
    simulated = [name for name in faults.get(row.name, ()) if not FAULTS[name].unseen]
    if simulated:
        parts.append("the simulator")
    if row.cannot:
        parts.append(f"**cannot occur:** {row.cannot}")
    if row.waits:
        parts.append(f"**waits for** {row.waits}")
    return "<br>".join(parts) or "**none**"


def render(found: dict[str, list[str]]) -> str:
    """The whole table."""
    faults = brought_back()
    caught = [row for row in ROWS if is_caught(row, found, faults)]
    near = [row for row in ROWS if set(row.levels) & {"U", "S"}]
    waiting = [row for row in ROWS if row.waits]
    lines = [
        "# Bugs of other implementations and what catches them here",
        "",
        "<!-- Written by tools/catalogue.py from the docstrings of the tests and tests/mutants; not to be edited. -->",
        "",
        f"**{len(caught)} of {len(ROWS)}** bugs are caught here: brought back into the core by a fault, one at a time,",
        "they turn each of the tests named here red, or the simulator finds them.",
        f"Of the {len(near)} of the levels U and S it is **{sum(row in caught for row in near)}**.",
        f"{len(waiting)} wait for a part that raftcy does not have yet,",
        f"{sum(row in caught for row in waiting)} of which are caught as far as the core is concerned.",
        "",
        "Levels: " + "; ".join(f"{level}, {text}" for level, text in LEVELS.items()) + ".",
        "`raft#` without more is etcd-io/raft.",
        "",
        "| bug | level | what went wrong | what catches it here | brought back by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        back = "<br>".join(f"`{name}`" for name in faults.get(row.name, ()))
        lines.append(f"| {row.issues} | {row.levels} | {row.failure} | {cell(row, found, faults)} | {back} |")
    return "\n".join([*lines, ""])


def check(found: dict[str, list[str]]) -> list[str]:
    """What is wrong with the rows and with the table in the tree."""
    faults = brought_back()
    wrong = [
        f"{row.name} is not decided" for row in ROWS if not (is_caught(row, found, faults) or row.cannot or row.waits)
    ]
    wrong += [
        f"{row.name} is a bug of the core, but nothing shows that it is caught"
        for row in ROWS
        if set(row.levels) & {"U", "S"} and not row.cannot and not is_caught(row, found, faults)
    ]
    if not TABLE.exists() or TABLE.read_text(encoding="utf-8") != render(found):
        wrong.append(f"{TABLE.relative_to(ROOT)} is out of date: run `python tools/catalogue.py`")
    return wrong


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    try:
        found = catchers()
    except Wrong as error:
        sys.exit(str(error))
    if arguments:
        wrong = check(found)
        print("\n".join(wrong) if wrong else "catalogue: ok")
        return 1 if wrong else 0
    TABLE.write_text(render(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
