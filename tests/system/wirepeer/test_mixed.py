"""Nodes of the reference and of raftcy in one cluster over TCP: their logs and digests must agree."""

from collections.abc import Callable

import pytest

from tests.support.wire_peers import GO, OURS, Cluster

MIXES = [(GO, GO, OURS), (GO, OURS, OURS)]
Start = Callable[..., Cluster]

mixes = pytest.mark.parametrize("kinds", MIXES, ids=["2+1", "1+2"])


@mixes
@pytest.mark.parametrize("flags", [(), ("-prevote", "-checkquorum")], ids=["plain", "prevote-checkquorum"])
def test_every_node_leads_in_turn(start: Start, kinds: tuple[str, ...], flags: tuple[str, ...]) -> None:
    cluster = start(kinds, *flags)
    cluster.until(cluster.leader, "leader")
    cluster.propose(30)
    for id in cluster.peers:
        cluster.elect(id)
        cluster.propose(12)
        for reader in cluster.peers.values():
            reader.say(f"!read by {id}")
        token = f"by {id}".encode().hex()
        cluster.until(
            lambda token=token: all(
                any(note.endswith(token) for note in peer.notes("read ")) for peer in cluster.peers.values()
            ),
            "read states",
        )
    cluster.agree()
    cluster.stop()


@mixes
def test_the_leader_is_killed(start: Start, kinds: tuple[str, ...]) -> None:
    for victim in dict.fromkeys(kinds):
        cluster = start(kinds, "-prevote")
        cluster.elect(cluster.of(victim))
        cluster.propose(20)
        cluster.peers.pop(cluster.of(victim)).kill()
        cluster.until(cluster.leader, "new leader")
        cluster.propose(20)
        cluster.agree()
        cluster.stop()


@mixes
@pytest.mark.parametrize("lagging", [GO, OURS])
def test_a_lagging_node_gets_a_snapshot(start: Start, kinds: tuple[str, ...], lagging: str) -> None:
    """The snapshot comes from a leader of the other implementation with a compacted log; then the node itself leads."""
    cluster = start(kinds, "-compact", "20", "-prevote")
    cut = cluster.of(lagging)
    lead = cluster.of(OURS if lagging == GO else GO)
    cluster.elect(lead)
    cluster.propose(10)
    cluster[cut].say("!isolate 1")
    others = [id for id in cluster.peers if id != cut]
    cluster.propose(100, others)
    cluster.until(lambda: cluster[lead].notes("compacted "), "compaction")
    cluster[cut].say("!isolate 0")
    cluster.until(lambda: cluster[cut].notes("snapshot "), "snapshot")
    assert len(cluster[cut].log()) < len(cluster[lead].log())
    cluster.propose(10, others)
    cluster.elect(cut)
    # The node did not print entries that the snapshot covers.
    cluster.propose(20, [cut])
    cluster.agree()
    cluster.stop()


@mixes
@pytest.mark.parametrize("lead", [GO, OURS])
def test_configuration_changes(start: Start, kinds: tuple[str, ...], lead: str) -> None:
    """Simple and joint changes, proposed on a leader of either implementation and on a follower."""
    cluster = start(kinds, "-prevote", "-checkquorum")
    leader = cluster.of(lead)
    cluster.elect(leader)
    one, two = (id for id in cluster.peers if id != leader)

    def change(text: str, proposer: int, entries: int = 1) -> None:
        """Propose changes, and wait until all reachable peers have applied that many entries of them."""
        reached = [id for id in cluster.peers if id != away]
        before = {id: len(cluster[id].log()) for id in reached}
        cluster[proposer].say(f"!conf {text}".rstrip())
        cluster.until(lambda: all(len(cluster[id].log()) >= before[id] + entries for id in reached), f"change {text}")

    away = 0
    cluster.propose(5)
    change(f"l{one}", leader)
    cluster.propose(5)
    change(f"v{one}", two)
    away = two
    change(f"r{two}", leader)
    cluster.propose(5, [leader, one])
    away = 0
    change(f"l{two}", leader)
    cluster.propose(5)
    # Several at once need a joint configuration, which its own entry leaves.
    change(f"v{two} l{one}", leader, entries=2)
    cluster.propose(5)
    change(f"v{one} u{two}", two, entries=2)
    # Nothing to leave: an empty entry takes its place.
    change("", leader)
    cluster.elect(one)
    cluster.propose(5)
    cluster.agree()
    assert not any(peer.notes("error ") for peer in cluster.peers.values())
    cluster.stop()


@mixes
def test_a_flood_with_small_messages_and_a_small_window(start: Start, kinds: tuple[str, ...]) -> None:
    """Proposals arrive faster than they are sent, in appends of a few entries, while the log is compacted.

    Followers fall behind the compacted log, get snapshots, and do not print the entries that these cover.
    """
    for lead in dict.fromkeys(kinds):
        cluster = start(kinds, "-maxsize", "256", "-inflight", "4", "-compact", "50")
        leader = cluster.of(lead)
        cluster.elect(leader)
        cluster.propose(1000, applied_by=[leader])
        cluster.agree()
        cluster.stop()
