"""Writes tests/catalogue.md, or checks it: which tests catch the bugs that other implementations had.

    python -m tools.catalogue [--check]

The bugs are the rows of `tests/random/mutants/rows.py`. A test names the bugs that it catches in a line of its
docstring, by the first issue of each:

    catches: etcd#7331, etcd#9333

A fault in `tests/random/mutants/faults` names the bugs that it brings back. `tests/random/mutants/test_named.py`
verifies the claims: it puts the faults of a row into the core, one at a time, and each test that claims the row must
fail.

The tool refuses to write or check the table if a name is not in the rows, if a claim is in something that pytest does
not run, or if no fault can prove a claim. The check also fails if a row is undecided (it has no test, no fault that the
simulator finds, and no reason), or if a row of one node or of the simulator has no fault.
"""

import sys
from collections import defaultdict
from pathlib import Path

from tests.random.mutants.faults import FAULTS
from tests.random.mutants.rows import LEVELS, ROWS, Row

from .claimed import TESTS, Claimed, Table, Wrong, claimed, main


def brought_back() -> dict[str, list[str]]:
    """Return the names of the faults, by the row that they bring back."""
    found = defaultdict(list)
    for fault in FAULTS.values():
        for name in fault.rows:
            found[name].append(fault.name)
    return found


def catchers(tests: Path = TESTS) -> Claimed:
    """Return the tests of a folder, by the row that they catch. Raises Wrong for claims that cannot be true."""
    known = {row.name for row in ROWS}
    faults = brought_back()

    def objection(name: str) -> str:
        if name not in known:
            return f"{name!r}, which is not a row"
        return "" if name in faults else f"{name}, but no fault brings it back to prove that"

    found, wrong = claimed(tests, "catches", objection)
    wrong += [f"a fault brings back {name!r}, which is not a row" for name in sorted(set(faults) - known)]
    wrong += [
        f"no test has to find the fault {fault.name}"
        for fault in FAULTS.values()
        if fault.unseen and not any(found.get(name) for name in fault.rows)
    ]
    if wrong:
        raise Wrong("\n".join(wrong))
    return found


def is_caught(row: Row, found: Claimed, faults: dict[str, list[str]]) -> bool:
    """Whether a test that claims so, or the simulator, finds the bug."""
    return bool(found.get(row.name)) or any(not FAULTS[name].unseen for name in faults.get(row.name, ()))


def cell(row: Row, found: Claimed, faults: dict[str, list[str]]) -> str:
    """Format the cell that says what catches a bug."""
    parts = [f"`{test.removeprefix('tests/')}`" for test in found.get(row.name, ())]
    simulated = [name for name in faults.get(row.name, ()) if not FAULTS[name].unseen]
    if simulated:
        parts.append("the simulator")
    if row.cannot:
        parts.append(f"**cannot occur:** {row.cannot}")
    if row.processes:
        parts.append(f"real processes: `{row.processes}`")
    return "<br>".join(parts) or "**none**"


def render(found: Claimed) -> str:
    """Return the whole table."""
    faults = brought_back()
    caught = [row for row in ROWS if is_caught(row, found, faults)]
    near = [row for row in ROWS if set(row.levels) & {"U", "S"}]
    lines = [
        "# Bugs of other implementations and what catches them here",
        "",
        "<!-- Written by tools/catalogue.py from the tests' docstrings and tests/random/mutants; not to be edited. -->",
        "",
        f"**{len(caught)} of {len(ROWS)}** bugs are caught here. A fault brings each of them back into the core; then",
        "every test named here fails, or the simulator finds it.",
        f"Of the {len(near)} bugs at the levels U and S, **{sum(row in caught for row in near)}** are caught.",
        "For some of them, tests of real processes run into the causes too; no fault is put in there.",
        "",
        "Levels: " + "; ".join(f"{level}, {text}" for level, text in LEVELS.items()) + ".",
        "`raft#` alone means etcd-io/raft, and `faults#` a row of docs/faults.md.",
        "",
        "| bug | level | what went wrong | what catches it here | brought back by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        back = "<br>".join(f"`{name}`" for name in faults.get(row.name, ()))
        lines.append(f"| {row.issues} | {row.levels} | {row.failure} | {cell(row, found, faults)} | {back} |")
    return "\n".join([*lines, ""])


def undecided(found: Claimed) -> list[str]:
    """List the bugs that nothing catches and that have no reason."""
    faults = brought_back()
    wrong = [f"{row.name} is undecided" for row in ROWS if not (is_caught(row, found, faults) or row.cannot)]
    wrong += [
        f"{row.name} is a bug of the core, but nothing proves that it is caught"
        for row in ROWS
        if set(row.levels) & {"U", "S"} and not row.cannot and not is_caught(row, found, faults)
    ]
    return wrong


CATALOGUE = Table("catalogue.md", "catalogue", catchers, render, undecided)

if __name__ == "__main__":
    sys.exit(main(CATALOGUE, __doc__, sys.argv[1:]))
