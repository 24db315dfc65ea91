"""The agreement of hosts on the sleep of groups: every rule of ``sleeping``, without drivers."""

import random
from collections.abc import Callable

import pytest

from raftcy.errors import DecodeError
from raftcy.replica.beat import Beat, Claim, decode_answer, decode_beat, encode_answer, encode_beat
from raftcy.replica.sleeping import Changes, Sleeping

PATIENCE = 5
GROUP = 77


class Hosts:
    """Hosts that tick together. ``agrees`` judges claims, by host and group; beats to or from ``cut`` are lost."""

    def __init__(self, *ids: int) -> None:
        self.hosts = {id: Sleeping(id, PATIENCE) for id in ids}
        self.starts = len(ids)
        self.cut: set[tuple[int, int]] = set()
        self.awake: set[tuple[int, int]] = set()
        self.woken: list[tuple[int, int, int]] = []
        self.slept: list[tuple[int, int]] = []

    def restart(self, id: int) -> None:
        self.starts += 1
        self.hosts[id] = Sleeping(100 + self.starts, PATIENCE)

    def offer(self, leader: int, group: int = GROUP, term: int = 3, commit: int = 9) -> bool:
        others = [id for id in self.hosts if id != leader]
        return self.hosts[leader].offer(group, term, commit, others, others)

    def judge(self, host: int) -> Callable[[int, int, int, int], bool]:
        return lambda group, leader, term, commit: (host, group) not in self.awake

    def note(self, host: int, changes: Changes) -> None:
        self.slept += [(host, group) for group in changes.asleep]
        self.woken += [(host, group, ticks) for group, ticks in changes.awake]

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            beats = []
            for id, host in self.hosts.items():
                self.note(id, host.tick())
                beats += [(id, peer, encode_beat(host.next_beat(peer))) for peer in host.peers]
            for sender, receiver, data in beats:
                if receiver in self.hosts and (sender, receiver) not in self.cut:
                    beat, _ = decode_beat(data)
                    self.note(receiver, self.hosts[receiver].hear(sender, beat, self.judge(receiver)))

    def asleep(self, group: int = GROUP) -> list[int]:
        return [id for id, host in self.hosts.items() if host.is_asleep(group)]

    def cut_off(self, id: int) -> None:
        self.cut |= {(id, other) for other in self.hosts} | {(other, id) for other in self.hosts}


def sleeping(*groups: int) -> Hosts:
    """Three hosts, on which groups that the first one leads sleep."""
    hosts = Hosts(1, 2, 3)
    for group in groups or (GROUP,):
        hosts.offer(1, group)
    hosts.tick(3)
    assert all(hosts.asleep(group) == [1, 2, 3] for group in groups or (GROUP,))
    hosts.woken.clear()
    return hosts


def test_a_leader_sleeps_once_all_have_agreed() -> None:
    hosts = Hosts(1, 2, 3)
    assert not hosts.offer(1)
    assert hosts.asleep() == []
    hosts.tick()
    assert hosts.asleep() == [2, 3]
    hosts.tick()
    assert hosts.asleep() == [1, 2, 3]
    assert hosts.slept == [(2, GROUP), (3, GROUP), (1, GROUP)]
    hosts.tick(50)
    assert hosts.asleep() == [1, 2, 3]
    assert hosts.woken == []


def test_a_group_of_one_sleeps_at_once() -> None:
    hosts = Hosts(1)
    assert hosts.offer(1)
    assert hosts.asleep() == [1]
    assert hosts.hosts[1].peers == []


def test_a_member_that_does_not_agree_keeps_all_awake() -> None:
    hosts = Hosts(1, 2, 3)
    hosts.awake.add((3, GROUP))
    hosts.offer(1)
    hosts.tick(5)
    assert hosts.asleep() == []
    assert not hosts.hosts[1].is_settled(GROUP)


def test_an_offer_needs_a_majority() -> None:
    host = Sleeping(1, PATIENCE)
    assert not host.offer(GROUP, 3, 9, (2,), (2, 3, 4))
    assert not host.is_settled(GROUP)
    assert host.peers == []


def test_work_of_the_leader_wakes_the_others() -> None:
    hosts = sleeping()
    hosts.hosts[1].rouse(GROUP)
    assert hosts.asleep() == [2, 3]
    hosts.tick()
    assert hosts.asleep() == []
    assert sorted(hosts.woken) == [(2, GROUP, 0), (3, GROUP, 0)]


def test_work_of_a_follower_wakes_all() -> None:
    hosts = sleeping()
    hosts.hosts[2].rouse(GROUP)
    hosts.tick(2)
    assert hosts.asleep() == []


def test_a_silent_leader_is_missed() -> None:
    hosts = sleeping()
    hosts.cut_off(1)
    hosts.tick(PATIENCE)
    assert hosts.asleep() == [1, 2, 3]
    hosts.tick()
    assert hosts.asleep() == []
    # Followers go on as if their last heartbeat came that long ago; the leader checks its quorum anew.
    assert sorted(hosts.woken) == [(1, GROUP, 0), (2, GROUP, PATIENCE + 1), (3, GROUP, PATIENCE + 1)]


def test_a_silent_follower_does_not_wake_a_leader_with_a_majority() -> None:
    hosts = sleeping()
    hosts.cut_off(3)
    hosts.tick(PATIENCE + 1)
    assert hosts.asleep() == [1, 2]
    hosts.cut.clear()
    hosts.tick(10)
    # It was told that nothing is claimed to it any more.
    assert hosts.asleep() == [1, 2]
    assert hosts.hosts[3].peers == []


def test_a_follower_that_only_hears_nothing_sleeps_again() -> None:
    """The leader's claim still stands: it has lost none of its hosts."""
    hosts = sleeping()
    hosts.cut |= {(1, 2)}
    hosts.tick(PATIENCE + 1)
    assert hosts.asleep() == [1, 3]
    hosts.cut.clear()
    hosts.tick(3)
    assert hosts.asleep() == [1, 2, 3]


def test_a_new_start_of_the_leader_wakes_at_once() -> None:
    """The new start has claimed nothing, and nobody waits until that is missed."""
    hosts = sleeping()
    hosts.restart(1)
    hosts.tick(2)
    assert hosts.asleep() == []
    assert sorted(hosts.woken) == [(2, GROUP, 0), (3, GROUP, 0)]


def test_a_new_start_has_agreed_to_nothing() -> None:
    hosts = sleeping()
    hosts.restart(3)
    hosts.awake.add((3, GROUP))
    hosts.tick(2)
    assert not hosts.hosts[1].is_settled(GROUP)
    assert (1, GROUP, 0) in hosts.woken


def test_a_lost_withdrawal_is_noticed_by_the_digest() -> None:
    hosts = sleeping(1, 2, 3)
    hosts.hosts[1].withdraw(2)
    hosts.cut.add((1, 2))
    hosts.tick()
    assert hosts.asleep(2) == [2]
    hosts.cut.clear()
    hosts.tick(3)
    # Only the group that is missing wakes.
    assert hosts.asleep(2) == []
    assert hosts.asleep(1) == hosts.asleep(3) == [1, 2, 3]
    assert [woken for woken in hosts.woken if woken[1] != 2] == []


def test_a_beat_with_a_wrong_digest_proves_no_leader() -> None:
    hosts = sleeping()
    beat = hosts.hosts[1].next_beat(2)
    for number in range(PATIENCE + 1):
        hosts.note(2, hosts.hosts[2].hear(1, beat._replace(number=beat.number + number, total=2), hosts.judge(2)))
        hosts.note(2, hosts.hosts[2].tick())
    assert hosts.asleep() == [1, 3]


def test_an_older_beat_changes_nothing() -> None:
    hosts = sleeping()
    older = hosts.hosts[1].next_beat(2)
    hosts.hosts[1].withdraw(GROUP)
    hosts.tick()
    assert hosts.asleep() == []
    hosts.note(2, hosts.hosts[2].hear(1, older._replace(full=True, claims=[Claim(GROUP, 3, 9)]), hosts.judge(2)))
    assert hosts.asleep() == []


def test_a_refusal_of_an_older_claim_is_ignored() -> None:
    hosts = Hosts(1, 2)
    hosts.awake.add((2, GROUP))
    hosts.offer(1)
    hosts.tick()
    late = hosts.hosts[2].next_beat(1)
    assert list(late.refused) == [GROUP]
    hosts.awake.clear()
    hosts.offer(1, commit=10)
    hosts.note(1, hosts.hosts[1].hear(2, late, hosts.judge(1)))
    assert hosts.hosts[1].is_settled(GROUP)
    hosts.tick(3)
    assert hosts.asleep() == [1, 2]


def test_a_follower_sleeps_under_one_leader() -> None:
    hosts = sleeping()
    hosts.hosts[3].rouse(GROUP)
    hosts.offer(3, term=4, commit=12)
    hosts.tick(3)
    assert hosts.hosts[2]._under == {GROUP: 3}
    assert not hosts.hosts[1].is_settled(GROUP) or hosts.hosts[1]._under == {GROUP: 3}


def test_hosts_without_sleep_send_no_beats() -> None:
    hosts = sleeping()
    hosts.hosts[1].withdraw(GROUP)
    hosts.tick(4)
    assert [host.peers for host in hosts.hosts.values()] == [[], [], []]


@pytest.mark.parametrize("seed", range(60))
def test_random_histories(seed: int) -> None:
    """Whatever is lost, late or restarted: soon after, a member sleeps only under a claim that stands."""
    draw = random.Random(seed)
    hosts = Hosts(1, 2, 3)
    groups = range(1, 6)
    for _ in range(150):
        group = draw.choice(groups)
        host = draw.choice((1, 2, 3))
        what = draw.random()
        if what < 0.35:
            hosts.hosts[host].rouse(group)
            hosts.offer(host, group, term=host, commit=draw.randrange(3))
        elif what < 0.55:
            hosts.hosts[host].rouse(group)
        elif what < 0.65:
            hosts.cut ^= {(host, draw.choice((1, 2, 3)))}
        elif what < 0.68:
            hosts.restart(host)
        elif what < 0.78:
            hosts.awake ^= {(host, group)}
        hosts.tick(draw.choice((1, 1, 1, 2, 8)))
    hosts.cut.clear()
    hosts.tick(3 * PATIENCE)
    for id, host in hosts.hosts.items():
        for group, leader in host._under.items():
            claims = hosts.hosts[leader]._peers[id].claims
            assert group in claims
            assert host._peers[leader].claimed[group] == (claims[group].term, claims[group].commit)
        for group, offer in host._offers.items():
            if offer.asleep:
                assert all(hosts.hosts[each]._under.get(group) == id for each in offer.members)
    for id, host in hosts.hosts.items():
        for other, peer in host._peers.items():
            theirs = hosts.hosts[other]._peers.get(id)
            assert set(peer.claimed) == set(() if theirs is None else theirs.claims)


# -- bytes -----------------------------------------------------------------------------------------------------------


BEAT = Beat(
    nonce=5, number=8, heard_nonce=6, heard=7, full=True, wants=True, asks=True, total=3, digest=2**64 - 1,
    claims=[Claim(1, 2, 3), Claim(2**63, 2**64 - 2, 0)], withdrawn=(9,), refused=(10, 11),
)  # fmt: skip


def test_a_beat_comes_back_as_it_was() -> None:
    assert decode_beat(encode_beat(BEAT, (1, 2, 3, 4, 5, 6))) == (BEAT, (1, 2, 3, 4, 5, 6))
    plain = Beat(nonce=1, number=1, claims=[], withdrawn=(), refused=())
    assert decode_beat(encode_beat(plain)) == (plain, ())
    assert decode_answer(encode_answer(7, [0, 4])) == (7, (0, 4))
    assert decode_answer(encode_answer(7, [])) == (7, ())


def test_other_bytes_are_refused() -> None:
    data = encode_beat(BEAT, (1, 2, 3))
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            decode_beat(data[:size])
    with pytest.raises(DecodeError):
        decode_beat(data + bytes(8))
    with pytest.raises(DecodeError, match="version 2"):
        decode_beat(b"\2" + data[1:])
    for wrong in (
        data[:1] + b"\x08" + data[2:],
        encode_beat(BEAT._replace(nonce=0)),
        encode_beat(BEAT._replace(number=0)),
    ):
        with pytest.raises(DecodeError, match="no beat may have"):
            decode_beat(wrong)
    for wrong in (b"", bytes(7), bytes(9)):
        with pytest.raises(DecodeError):
            decode_answer(wrong)
