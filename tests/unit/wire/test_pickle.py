"""Pickles and copies, also from one build to the other."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given

from tests.support.needs import ROOT
from tests.support.values import class_of, decode, kinds_and_recipes, load, make

UNKNOWN = b"\xf8\x01\x07"


def values(build: ModuleType) -> list[Any]:
    """One filled value of each wire type, one empty, one with an unknown field; and the other values."""
    conf_state = class_of(build, "ConfState")(voters=[1, 2**64 - 1], learners_next=[3], auto_leave=False)
    metadata = class_of(build, "SnapshotMetadata")(conf_state=conf_state, index=0, term=5)
    snapshot = class_of(build, "Snapshot")(data=b"", metadata=metadata)
    entry = class_of(build, "Entry")(type=-3, term=0, data=b"\xff\0")
    response = class_of(build, "Message")(type=4, reject=True, reject_hint=9, context=b"")
    message = class_of(build, "Message")(entries=[entry], snapshot=snapshot, responses=[response], vote=0)
    single = class_of(build, "ConfChangeSingle")(type=3, node_id=1)
    wire = {
        "ConfState": conf_state,
        "SnapshotMetadata": metadata,
        "Snapshot": snapshot,
        "Entry": entry,
        "Message": message,
        "HardState": class_of(build, "HardState")(term=1, commit=0),
        "ConfChangeSingle": single,
        "ConfChange": class_of(build, "ConfChange")(id=7, type=9, context=b"x"),
        "ConfChangeV2": class_of(build, "ConfChangeV2")(transition=1, changes=[single]),
    }
    found = []
    for kind, value in wire.items():
        found += [value, type(value)(), decode(build, kind, value.encode() + UNKNOWN)]
    return [*found, *values_off_the_wire(build, wire)]


def values_off_the_wire(build: ModuleType, wire: dict[str, Any]) -> list[Any]:
    """The public values without an encoding."""
    module, status, config = (load(build, f"core.{name}") for name in ("ready", "status", "config"))
    soft, read = module.SoftState(lead=3, raft_state=2), module.ReadState(index=5, request_ctx=b"r")
    entries, messages = [wire["Entry"]], [wire["Message"]]
    ready = load(build, "core.ready").Ready(
        soft_state=soft,
        hard_state=wire["HardState"],
        read_states=[read],
        entries=entries,
        snapshot=wire["Snapshot"],
        committed_entries=entries,
        messages=messages,
        must_sync=True,
    )
    progress = load(build, "core.progress").Progress(1, 2)
    numbers = {"id": 1, "term": 2**64 - 1, "raft_state": 1, "lead_transferee": 9}
    return [
        *(soft, read, ready, load(build, "core.ready").Ready(entries=entries)),
        *(status.BasicStatus(**numbers), status.Status(**numbers, progress={1: progress})),
        config.Peer(7, b"address"),
    ]


def seen(value: Any) -> tuple[str, str, bytes]:
    return type(value).__name__, repr(value), value.encode() if hasattr(value, "encode") else b""


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(build: ModuleType, protocol: int) -> None:
    for value in values(build):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert (type(again), again, seen(again)) == (type(value), value, seen(value))


@given(case=kinds_and_recipes)
def test_pickle_of_anything(build: ModuleType, case: tuple[str, dict[str, Any]]) -> None:
    value = make(build, *case)
    assert seen(pickle.loads(pickle.dumps(value))) == seen(value)


def test_copy(build: ModuleType) -> None:
    for value in values(build):
        for again in (copy.copy(value), copy.deepcopy(value)):
            assert (again, seen(again)) == (value, seen(value))


PROGRAM = """
import pickle, sys
import raftcy
values = pickle.load(open(sys.argv[1], "rb"))
assert all(type(value).__module__.startswith(("raftcy.core.", "raftcy.wire.")) for value in values)
pickle.dump((raftcy.BUILD, values), open(sys.argv[2], "wb"))
"""


@pytest.mark.parametrize("there", ["compiled", "pure"], ids=["to-compiled", "to-pure"])
def test_to_the_other_build_and_back(raftcy: ModuleType, tmp_path: Path, there: str) -> None:
    """Pickled here, loaded and pickled again by a process of either build, loaded here."""
    given_values = values(raftcy)
    if there == "compiled" and raftcy.BUILD == "pure" and not list(Path(raftcy.__file__).parent.rglob("codec.*.so")):
        pytest.skip("needs the compiled build")
    sent, returned = tmp_path / "sent", tmp_path / "returned"
    sent.write_bytes(pickle.dumps(given_values))
    environment = {**os.environ, "RAFTCY_PURE_PYTHON": "1" if there == "pure" else "", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", PROGRAM, sent, returned], check=True, timeout=60, env=environment)
    build, again = pickle.loads(returned.read_bytes())
    assert build == there
    assert [seen(value) for value in again] == [seen(value) for value in given_values]
    assert again == given_values
