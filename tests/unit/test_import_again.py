"""The package imported again after its modules left ``sys.modules``, as tests do that patch it."""

import subprocess
import sys
from types import ModuleType

import pytest

import raftcy

AGAIN = """
import sys
from unittest import mock
with mock.patch.dict(sys.modules):
    import raftcy as first
    import raftcy.recorder
    Recorder = raftcy.recorder.Recorder
assert not any(name.split(".")[0] == "raftcy" for name in sys.modules)
import raftcy.core.config
import raftcy
assert raftcy is first is sys.modules["raftcy"]
assert raftcy.core.config.Config is raftcy.Config is first.Config
import raftcy.recorder
assert raftcy.recorder.Recorder is Recorder
storage = raftcy.MemoryStorage()
storage.append([raftcy.Entry(term=1, index=1)])
try:
    storage.term(7)
except raftcy.Unavailable:
    pass
raftcy.RawNode(raftcy.Config(id=1, election_tick=9, heartbeat_tick=1, storage=storage, max_inflight_msgs=1))
for name in list(sys.modules):
    if name.split(".")[0] == "raftcy":
        del sys.modules[name]
import raftcy
print(raftcy is first, raftcy.BUILD)
"""


@pytest.mark.once
@pytest.mark.parametrize("kind", sorted({raftcy.BUILD, "pure"}))
def test_the_classes_are_the_same(kind: str) -> None:
    """catches: faults#N"""
    environment = {"RAFTCY_PURE_PYTHON": "1" if kind == "pure" else "0"}
    path = str(sys.modules["raftcy"].__path__[0]).removesuffix("/raftcy")
    done = subprocess.run(
        [sys.executable, "-c", AGAIN], capture_output=True, text=True, cwd=path, env=environment, check=False
    )
    assert (done.stdout, done.stderr) == (f"True {kind}\n", "")


def test_another_copy_is_another_package(raftcy_pure: ModuleType) -> None:
    assert raftcy_pure.Config is not raftcy.Config
