"""Runs cases in this process and writes what came of each, one line of JSON each, before the next one begins.

    python -m tests.random.sweep.child < cases

A case is a line of JSON: the name of an object's class ("" for none), a statement in which it is `it`, and whether it
runs in an event loop. A case that ends the process leaves its line without an answer.
"""

import asyncio
import json
import os
import sys
import warnings
from typing import Any

from . import made

_NAMES = made.NAMES
# So long a call of a node may wait before it counts as waiting for ever.
_PATIENCE_S = 0.02


def outcome(act: Any) -> str:
    """The type of what a call returns or raises."""
    try:
        return f"returns {type(act()).__name__}"
    except BaseException as error:
        return f"raises {type(error).__name__}"


def after(it: Any) -> str:
    """What a node, driver or group does after the call: it must be as it was, dead, or changed alike."""
    if isinstance(it, made.raftcy.RawNode):
        return "; ".join([outcome(it.tick), outcome(it.poll), outcome(it.advance), outcome(it.status)])
    if isinstance(it, made.raftcy.Driver):
        return "; ".join([outcome(it.tick), outcome(it.run), outcome(it.take_reads)])
    if isinstance(it, made.raftcy.Loopback):
        return "; ".join([outcome(it.tick), outcome(it.drain)])
    if isinstance(it, made.raftcy.MemoryStorage):
        return "; ".join([outcome(it.last_index), outcome(it.snapshot), outcome(lambda: it.entries(2, 3, 9))])
    return ""


def run(cls: str, statement: str) -> str:
    it = made.OBJECTS[cls]() if cls else None
    names = _NAMES | {"it": it}
    return f"{outcome(lambda: eval(statement, names))}; {after(it)}"


async def run_in_loop(cls: str, statement: str) -> str:
    it = made.OBJECTS[cls]() if cls else None
    names = _NAMES | {"it": it}
    try:
        answer = eval(statement, names)
        if asyncio.iscoroutine(answer):
            answer = await asyncio.wait_for(answer, _PATIENCE_S)
        said = f"returns {type(answer).__name__}"
    except BaseException as error:
        said = f"raises {type(error).__name__}"
    if isinstance(it, made.raftcy.Node):
        said += "; " + outcome(it.tick) + "; " + outcome(it.status)
    return said


def work(cases: list[str], begin: int, out: Any) -> None:
    for line in cases[begin:]:
        cls, statement, in_loop = json.loads(line)
        said = asyncio.run(run_in_loop(cls, statement)) if in_loop else run(cls, statement)
        out.write(json.dumps(said) + "\n")
        out.flush()


def main() -> None:
    """Run all cases in a forked process, and the rest in another one where a case has ended it."""
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(500)
    cases = sys.stdin.read().splitlines()
    done = 0
    while done < len(cases):
        reading, writing = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            with os.fdopen(writing, "w") as out:
                work(cases, done, out)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answers:
            for answer in answers:
                sys.stdout.write(answer)
                done += 1
        status = os.waitpid(worker, 0)[1]
        if done < len(cases):
            sys.stdout.write(json.dumps(f"ends the process: {status}") + "\n")
            done += 1
    sys.stdout.flush()


if __name__ == "__main__":
    main()
