"""No object can be seen half made, and what has one owner cannot be copied; alike in both builds."""

import copy
import importlib
import inspect
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

# Blank values are good values; everything else needs arguments.
VALUES = [
    "Entry",
    "HardState",
    "ConfState",
    "SnapshotMetadata",
    "Snapshot",
    "Message",
    "Ready",
    "ReadState",
    "SoftState",
]
COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


def storage(build: ModuleType) -> Any:
    made = build.MemoryStorage()
    metadata = build.SnapshotMetadata(index=1, term=1, conf_state=build.ConfState(voters=[1]))
    made.save(build.HardState(term=1, commit=1), None, build.Snapshot(metadata=metadata))
    return made


def config(build: ModuleType, **options: Any) -> Any:
    given = {"id": 1, "election_tick": 10, "heartbeat_tick": 1, "storage": storage(build), "max_inflight_msgs": 8}
    return build.Config(**(given | {"max_size_per_msg": 1000} | options))


def compiled_classes(build: ModuleType) -> list[type]:
    """The classes of the modules that the compiled build compiles, the public ones first."""
    names = importlib.import_module(f"{build.__name__}._build")._compilable()
    modules = [importlib.import_module(f"{build.__name__}.{name}") for name in names]
    found = [each for module in modules for each in vars(module).values() if inspect.isclass(each)]
    return [each for each in dict.fromkeys(found) if each.__module__ in {module.__name__ for module in modules}]


def test_every_compiled_class_is_kept_whole(build: ModuleType) -> None:
    """catches: faults#E"""
    classes = compiled_classes(build)
    assert len(classes) > 30
    made = {}
    for cls in classes:
        try:
            made[cls.__name__] = cls.__new__(cls)
        except TypeError:
            continue
    assert {"RawNode", "Driver", "Raft", "RaftLog", "Unstable", "ProgressTracker", "Log", "Tape"} & set(made) == set()
    for name in sorted(made):
        assert repr(made[name])


@pytest.mark.parametrize("name", VALUES)
def test_a_blank_value_is_a_value(build: ModuleType, name: str) -> None:
    cls = getattr(build, name)
    assert cls.__new__(cls) == cls()
    assert repr(cls.__new__(cls)) == repr(cls())
    if hasattr(cls, "encode"):
        assert cls.__new__(cls).encode() == b""


def test_new_takes_what_the_class_takes(build: ModuleType) -> None:
    assert build.Entry.__new__(build.Entry, term=3) == build.Entry(term=3)
    node = build.RawNode.__new__(build.RawNode, config(build))
    node.campaign()
    assert node.basic_status().term == 2
    for wrong in ((), (int,), (None,), (build.RawNode,), (build.RawNode, None), (build.RawNode, 1, 2)):
        with pytest.raises(TypeError):
            build.RawNode.__new__(*wrong)
    with pytest.raises(build.ConfigError):
        build.RawNode.__new__(build.RawNode, config(build, election_tick=0))


def test_nothing_is_initialised_twice(build: ModuleType) -> None:
    node = build.RawNode(config(build))
    node.campaign()
    node.__init__(None)
    assert node.basic_status().term == 2
    entry = build.Entry(term=3)
    entry.__init__(term=4)
    assert entry.term == 3
    given = storage(build)
    given.__init__()
    assert given.last_index() == 1


def test_a_storage_whose_init_did_not_run_is_empty(build: ModuleType) -> None:
    class Mine(build.MemoryStorage):  # type: ignore[misc, name-defined]
        def __init__(self, path: str) -> None:
            self.path = path

        def __del__(self) -> None:
            self.last_index()

    mine = Mine("x")
    assert (mine.path, mine.first_index(), mine.last_index(), mine.initial_state()[0]) == ("x", 1, 0, None)
    assert mine.snapshot() == build.MemoryStorage().snapshot()
    mine.append([build.Entry(term=1, index=1)])
    assert copy.deepcopy(mine).entries(1, 2, 9) == mine.entries(1, 2, 9)


def test_what_has_one_owner_is_not_copied(build: ModuleType) -> None:
    """catches: faults#O"""
    given = storage(build)
    driver = build.Driver(build.RawNode(config(build, storage=given)), given)
    raft = driver.node.raft
    driver.node.campaign()
    work = driver.poll()
    owned = [driver, driver.node, raft, raft.log, raft.log.unstable, raft.tracker, raft.read_only, raft.outbox]
    owned += [raft.log.log, raft.tracker.progress[1].inflights, work, work.write, build.Loopback()]
    for each in owned:
        for duplicate in COPIES:
            with pytest.raises(TypeError, match=f"^{type(each).__name__} cannot be copied or pickled"):
                duplicate(each)


def test_a_progress_without_a_window_is_only_read(build: ModuleType) -> None:
    """catches: faults#D"""
    node = build.RawNode(config(build))
    node.campaign()
    given = []
    node.with_progress(lambda id, kind, progress: given.append(progress))
    for act in ("become_probe", "become_replicate"):
        with pytest.raises(TypeError, match="without a window"):
            getattr(given[0], act)()
