"""Changes that name the members 2**64-1 and 2**64-2, to which messages are for the storage.

It prints:

18446744073709551615 as an id: ConfigError
18446744073709551615 in a change: ConfChangeError
18446744073709551615 in a snapshot: Contradiction
18446744073709551614 as an id: ConfigError
18446744073709551614 in a change: ConfChangeError
18446744073709551614 in a snapshot: Contradiction
a committed change that names one, with writes beside: the stored vote is 1, and nobody was added
"""

from functools import partial
from typing import Any

import raftcy

from .parts import attempt, begun, config, kind_of, snapshot

KIND = raftcy.MessageType


def change(id: int) -> raftcy.ConfChange:
    return raftcy.ConfChange(type=raftcy.ConfChangeType.ADD_LEARNER_NODE, node_id=id)


def handle(node: raftcy.RawNode, storage: Any) -> None:
    """Do what the messages to the storage threads say, by their ``to``."""
    while node.has_ready():
        for m in node.ready().messages:
            if m.to == raftcy.LOCAL_APPEND_THREAD:
                if m.has("term"):
                    storage.set_hard_state(raftcy.HardState(term=m.term, vote=m.vote, commit=m.commit))
                storage.append(m.entries)
                for answer in m.responses:
                    if answer.to == node.id:
                        node.step(answer)
            elif m.to == raftcy.LOCAL_APPLY_THREAD:
                for entry in m.entries:
                    if entry.type == raftcy.EntryType.CONF_CHANGE:
                        node.apply_conf_change(raftcy.ConfChange.decode(entry.data))
                for answer in m.responses:
                    node.step(answer)


def committed(id: int) -> str:
    """A change of another program's leader, which a node has to take."""
    storage = begun()
    node = raftcy.RawNode(config(1, storage, async_storage_writes=True))
    node.campaign()
    handle(node, storage)
    term = node.basic_status().term
    node.step(raftcy.Message(type=KIND.MSG_VOTE_RESP, from_=2, to=1, term=term))
    handle(node, storage)
    node.step(raftcy.Message(type=KIND.MSG_APP_RESP, from_=2, to=1, term=term, index=2))
    handle(node, storage)
    entry = raftcy.Entry(type=raftcy.EntryType.CONF_CHANGE, data=change(id).encode())
    attempt(lambda: node.step(raftcy.Message(type=KIND.MSG_PROP, from_=1, to=1, entries=[entry])))
    handle(node, storage)
    attempt(lambda: node.step(raftcy.Message(type=KIND.MSG_APP_RESP, from_=2, to=1, term=term, index=3)))
    handle(node, storage)
    node.tick()
    handle(node, storage)
    added = "somebody" if len(node.status().progress) > 3 else "nobody"
    return f"the stored vote is {storage.initial_state()[0].vote}, and {added} was added"


def main() -> None:
    for id in (2**64 - 1, 2**64 - 2):
        node = raftcy.RawNode(config(1, begun()))
        print(f"{id} as an id:", kind_of(attempt(config(id, begun()).validate)))
        print(f"{id} in a change:", kind_of(attempt(partial(node.propose_conf_change, change(id)))))
        restored = raftcy.MemoryStorage()
        named = snapshot(1, (1, id))
        said = attempt(partial(restored.apply_snapshot, named))
        if said == "None":
            said = attempt(lambda restored=restored: raftcy.RawNode(config(1, restored)))
        print(f"{id} in a snapshot:", kind_of(said))
    print("a committed change that names one, with writes beside:", committed(2**64 - 1))


if __name__ == "__main__":
    main()
