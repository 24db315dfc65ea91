"""Run against an installed raftcy: replicates on three nodes in one process, by the public names alone.

    python smoke.py BUILD

Ends with the line `smoke ok: …`; the argument is the build that must be running.
"""

import sys

import raftcy


def node(number: int, storage: raftcy.MemoryStorage) -> raftcy.RawNode:
    config = raftcy.Config(
        id=number, election_tick=10, heartbeat_tick=1, storage=storage, max_size_per_msg=1 << 20, max_inflight_msgs=256
    )
    raw = raftcy.RawNode(config)
    raw.bootstrap([raftcy.Peer(peer) for peer in (1, 2, 3)])
    return raw


def main(build: str) -> None:
    if build != raftcy.BUILD:
        sys.exit(f"this is the {raftcy.BUILD} build, not the {build} one")
    stores = {number: raftcy.MemoryStorage() for number in (1, 2, 3)}
    nodes = {number: node(number, stores[number]) for number in stores}
    applied: dict[int, list[bytes]] = {number: [] for number in stores}

    def drain() -> None:
        while ready_nodes := [number for number in nodes if nodes[number].has_ready()]:
            for number in ready_nodes:
                handle(number)

    def handle(number: int) -> None:
        ready = nodes[number].ready()
        stores[number].append(ready.entries)
        if ready.hard_state is not None:
            stores[number].set_hard_state(ready.hard_state)
        for entry in ready.committed_entries:
            if entry.type == raftcy.EntryType.CONF_CHANGE:
                nodes[number].apply_conf_change(raftcy.decode_change(entry))
            elif entry.data:
                applied[number].append(entry.data)
        for message in ready.messages:
            nodes[message.to].step(raftcy.Message.decode(message.encode()))
        nodes[number].advance(ready)

    drain()
    nodes[1].campaign()
    drain()
    records = [b"record %d" % number for number in range(100)]
    for record in records:
        nodes[1].propose(record)
        drain()
    if any(got != records for got in applied.values()):
        sys.exit("the nodes did not apply what was proposed")
    print(f"smoke ok: raftcy {raftcy.__version__}, {raftcy.BUILD} build, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main(sys.argv[1])
