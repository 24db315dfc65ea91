"""Work that uses all compiled modules, above all the code paths that end in an error.

It is the same every time, so memory left after one more round is a leak. A test fails if it calls no function of some
compiled module.
"""

import copy
import pickle
import random
from types import ModuleType
from typing import Any

from tests.random.fuzz.corpus import kept
from tests.random.fuzz.targets import TARGETS
from tests.random.lockstep.cluster import Cluster, Options
from tests.random.lockstep.runs import draw
from tests.support.values import KINDS, decode, encode, load

from .driven import Failing, config, groups, proposed, recorded, refused, restored, served, steps, ticked


def codec(build: ModuleType) -> None:
    """Every message, valid and invalid."""
    errors = load(build, "errors")
    for data in kept("decode"):
        kind = KINDS[data[0] % len(KINDS)]
        for body in (data[1:], bytearray(data[1:]), data[1:-1], b"\x2b" * 200 + data[1:]):
            try:
                value = decode(build, kind, body)
            except errors.DecodeError as error:
                str(error)
                continue
            written = encode(build, kind, value)
            assert pickle.loads(pickle.dumps(value)) == value == copy.copy(value)
            assert repr(value)
            assert hash(value) == hash(decode(build, kind, written))
        refused(TypeError, lambda kind=kind: encode(build, kind, None))  # type: ignore[misc]
        refused(TypeError, lambda kind=kind: decode(build, kind, "text"))  # type: ignore[misc]


def hostile(build: ModuleType) -> None:
    """The inputs of the fuzz targets, which end in every error that a message or a recording can raise."""
    for target in (each for each in TARGETS if each != "decode"):
        for data in kept(target):
            TARGETS[target]([build], data)


def honest(build: ModuleType) -> None:
    """Clusters that elect, replicate, compact, change members and restart."""
    for seed in range(3):
        rng = random.Random(seed)
        options = Options(rng)
        cluster = Cluster(build, options)
        for _ in range(150):
            cluster.run(draw(rng, cluster, options, False))


def node(build: ModuleType, **options: Any) -> Any:
    """One of three voters, at the snapshot of index 10."""
    return build.RawNode(config(build, **options))


def deaths(build: ModuleType) -> None:
    """Nodes that die of each possible cause and report it afterwards, and calls that are refused before."""
    b = build
    lost = node(b)
    heartbeat = b.Message(type=b.MessageType.MSG_HEARTBEAT, from_=2, to=1, term=3, commit=99)
    refused(b.LogLost, lambda: lost.step(heartbeat))
    refused(b.Stopped, lost.has_ready)
    broken = node(b, async_storage_writes=True)
    refused(b.InvariantError, broken.advance)
    refused(b.Stopped, broken.tick)
    storage = Failing(b.MemoryStorage())
    failing = node(b, storage=storage)
    storage.fails = True
    # Refused, and the check looks through the terms of the log.
    refused(
        b.StorageFailed, lambda: failing.step(b.Message(type=b.MessageType.MSG_APP, from_=2, to=1, term=3, index=50))
    )
    alive = node(b)
    refused(b.ProposalDropped, lambda: alive.propose(b"x"))
    refused(b.ConfChangeError, lambda: alive.apply_conf_change(b.ConfChange(type=9, node_id=3)))
    refused(b.ConfChangeError, lambda: alive.propose_conf_change(b.ConfChangeV2(transition=7)))
    refused(b.StepError, lambda: alive.step(b.Message(type=b.MessageType.MSG_APP_RESP, from_=8, to=1)))
    refused(b.RangeError, lambda: b.Message(term=2**64))
    refused(TypeError, lambda: b.Entry(data="text"))
    refused(AttributeError, lambda: setattr(heartbeat, "term", 1))
    refused(b.ConfigError, lambda: node(b, max_inflight_msgs=0))
    refused(b.BootstrapError, lambda: alive.bootstrap([b.Peer(1)]))


def everything(build: ModuleType) -> None:
    """One round."""
    codec(build)
    deaths(build)
    hostile(build)
    honest(build)
    groups(build)
    steps(build)
    recorded(build)
    restored(build)
    served(build)
    proposed(build)
    ticked(build)


if __name__ == "__main__":
    import raftcy

    everything(raftcy)
    print(f"the {raftcy.BUILD} build did everything once")
