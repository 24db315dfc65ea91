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

import raftcy

from .parts import attempt, begun, config, kind_of, snapshot


def change(id: int) -> raftcy.ConfChange:
    return raftcy.ConfChange(type=raftcy.ConfChangeType.ADD_LEARNER_NODE, node_id=id)


def committed(id: int) -> str:
    """A committed change in the log, as another program's leader may have left it. The node then campaigns."""
    storage = begun()
    data = change(id).encode()
    storage.append([raftcy.Entry(type=raftcy.EntryType.CONF_CHANGE, term=1, index=2, data=data)])
    storage.set_hard_state(raftcy.HardState(term=1, commit=2))
    sent: list[raftcy.Message] = []
    node = raftcy.RawNode(config(1, storage, async_storage_writes=True))
    driver = raftcy.Driver(node, storage, send=sent.extend)
    driver.run()
    node.campaign()
    while driver.run():
        pass
    term = node.basic_status().term
    node.step(raftcy.Message(type=raftcy.MessageType.MSG_VOTE_RESP, from_=2, to=1, term=term))
    for _ in range(3):
        node.tick()
        while driver.run():
            pass
    added = "somebody" if any(m.to == id for m in sent) else "nobody"
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
