"""The leader's clock for leases, in scripted stories."""

from random import Random

import pytest

from raftcy.etcd.leasetable import LeaseTable
from raftcy.etcd.lessor import BATCH, IN_FLIGHT, LeaseOver, Lessor, NoSuchLease, NotPrimary

EXTEND_S = 1.0


def leader(*ttls_s: int, now_s: float = 0.0) -> tuple[LeaseTable, Lessor]:
    """A leader that has granted leases 1, 2, … since it leads, with these times to live."""
    table = LeaseTable()
    lessor = Lessor(table, extend_s=EXTEND_S, retry_s=3.0)
    lessor.promote(5, now_s)
    for id, ttl_s in enumerate(ttls_s, 1):
        table.grant(id, ttl_s)
    assert lessor.due(now_s) == []
    return table, lessor


def test_a_lease_is_due_when_its_time_is_over_and_not_before() -> None:
    _, lessor = leader(10, 20)
    assert lessor.due(9.999) == []
    assert lessor.due(10.0) == [1]
    assert lessor.due(19.9) == [1], "the first revocation was not applied, so it is due again"
    assert lessor.due(20.0) == [2]


def test_only_a_leader_counts() -> None:
    table = LeaseTable()
    lessor = Lessor(table, extend_s=EXTEND_S)
    table.grant(1, 10)
    assert lessor.due(1e9) == []
    for ask in (lessor.renew, lessor.remaining_s):
        with pytest.raises(NotPrimary):
            ask(1, 0.0)


def test_a_new_leader_gives_full_time_and_an_election_timeout_more() -> None:
    table = LeaseTable()
    table.grant(1, 10)
    lessor = Lessor(table, extend_s=EXTEND_S)
    lessor.promote(6, 100.0)
    assert lessor.remaining_s(1, 100.0) == 10 + EXTEND_S
    assert lessor.due(110.9) == []
    assert lessor.due(111.0) == [1]


def test_a_leader_of_another_term_counts_anew_and_of_the_same_term_does_not() -> None:
    _, lessor = leader(10)
    lessor.promote(5, 8.0)
    assert lessor.remaining_s(1, 8.0) == 2.0
    lessor.promote(7, 8.0)
    assert lessor.remaining_s(1, 8.0) == 10 + EXTEND_S


def test_nothing_is_due_at_a_deposed_leader() -> None:
    _, lessor = leader(10)
    lessor.demote()
    assert lessor.due(1e9) == []
    with pytest.raises(NotPrimary):
        lessor.renew(1, 1.0)


def test_a_renewed_lease_has_its_full_time_again() -> None:
    _, lessor = leader(10)
    assert lessor.renew(1, 9.0) == 10
    assert lessor.due(10.0) == []
    assert lessor.due(18.9) == []
    assert lessor.due(19.0) == [1]


def test_a_renewal_never_shortens_a_lease() -> None:
    table = LeaseTable()
    table.grant(1, 10)
    lessor = Lessor(table, extend_s=EXTEND_S)
    lessor.promote(6, 0.0)
    lessor.renew(1, 0.1)
    assert lessor.remaining_s(1, 0.1) == pytest.approx(10.9)


def test_a_lease_that_is_over_is_not_renewed() -> None:
    _, lessor = leader(10)
    with pytest.raises(LeaseOver):
        lessor.renew(1, 10.0)
    assert lessor.due(10.0) == [1]
    with pytest.raises(LeaseOver):
        lessor.renew(1, 10.1)


def test_a_lease_that_nobody_granted_or_that_was_revoked_is_unknown() -> None:
    table, lessor = leader(10)
    for id in (1, 2):
        table.remove(1)
        with pytest.raises(NoSuchLease):
            lessor.renew(id, 1.0)
        with pytest.raises(NoSuchLease):
            lessor.remaining_s(id, 1.0)
    assert lessor.due(100.0) == []


def test_a_granted_lease_counts_from_a_moment_after_it_was_granted() -> None:
    table, lessor = leader(now_s=0.0)
    table.grant(9, 10)
    assert lessor.due(5.0) == []
    assert lessor.due(14.9) == []
    assert lessor.due(15.0) == [9]


def test_a_revocation_that_got_lost_is_due_again() -> None:
    _, lessor = leader(10)
    assert lessor.due(10.0) == [1]
    assert lessor.due(12.9) == []
    assert lessor.due(13.0) == [1]


def test_a_rejected_revocation_is_due_again_at_once() -> None:
    _, lessor = leader(10)
    lessor.not_revoked(lessor.due(10.0), 10.1)
    assert lessor.due(10.2) == [1]


def test_a_revocation_that_was_applied_is_never_due_again() -> None:
    table, lessor = leader(10)
    ids = lessor.due(10.0)
    table.remove(1)
    lessor.not_revoked(ids, 10.1)
    assert lessor.due(100.0) == []


def test_revocations_leave_in_bounded_batches() -> None:
    count = IN_FLIGHT + BATCH + 10
    table, lessor = leader(*[10] * count)
    found = [lessor.due(10.0) for _ in range(20)]
    assert [len(each) for each in found] == [BATCH] * (IN_FLIGHT // BATCH) + [0] * (20 - IN_FLIGHT // BATCH)
    for ids in found:
        for id in ids:
            table.remove(id)
    rest = lessor.due(10.0) + lessor.due(10.0)
    assert sorted(sum(found, rest)) == list(range(1, count + 1))


def test_a_lease_that_is_granted_again_under_its_id_is_a_new_one() -> None:
    table, lessor = leader(10)
    assert lessor.due(10.0) == [1]
    table.remove(1)
    table.grant(1, 10)
    assert lessor.due(11.0) == []
    assert lessor.renew(1, 12.0) == 10
    assert lessor.due(21.9) == []
    assert lessor.due(22.0) == [1]


def test_what_was_granted_and_revoked_takes_no_memory() -> None:
    table, lessor = leader()
    for _ in range(20_000):
        table.grant(1, 10**6)
        lessor.due(0.0)
        table.remove(1)
    assert len(lessor._heap) < 10_000


def test_the_leases_of_a_snapshot_count_from_then_on() -> None:
    table, lessor = leader(10)
    table.replace([(3, 10), (4, 20)])
    assert lessor.due(100.0) == []
    assert lessor.due(110.0) == [3]
    with pytest.raises(NoSuchLease):
        lessor.renew(1, 110.0)


def test_keys_belong_to_the_lease_they_were_put_with_last() -> None:
    table, _ = leader(10, 10)
    table.attach(1, b"b")
    table.attach(1, b"a")
    table.detach(1, b"b")
    table.attach(2, b"b")
    table.attach(99, b"c")
    table.detach(99, b"c")
    assert list(table.leases[1].sorted_keys()) == [b"a"]
    assert list(table.leases[2].sorted_keys()) == [b"b"]


def test_many_keys_are_sorted_with_pauses() -> None:
    table, _ = leader(10)
    keys = [b"%06d" % each for each in range(10_000)]
    Random(1).shuffle(keys)
    for key in keys:
        table.attach(1, key)
    found = list(table.leases[1].sorted_keys())
    assert found.count(None) == 4
    assert [key for key in found if key is not None] == sorted(keys)


def test_a_long_random_story_ends_no_lease_early_and_each_in_time() -> None:
    """Beside a naive clock, which knows for each lease when it was granted or renewed last."""
    random = Random(15)
    table, lessor = leader()
    now_s = 0.0
    ends_s: dict[int, float] = {}
    next_id = 0
    for _ in range(5000):
        now_s += random.random()
        what = random.random()
        if what < 0.4:
            next_id += 1
            ttl_s = random.randint(1, 30)
            table.grant(next_id, ttl_s)
            ends_s[next_id] = now_s + ttl_s
        elif what < 0.8 and ends_s:
            id = random.choice(list(ends_s))
            try:
                ends_s[id] = max(ends_s[id], now_s + lessor.renew(id, now_s))
            except LeaseOver:
                assert ends_s[id] <= now_s
        elif what < 0.82:
            lessor.promote(lessor.term + 1, now_s)
            ends_s = {id: now_s + table.leases[id].ttl_s + EXTEND_S for id in ends_s}
        for id in lessor.due(now_s):
            assert ends_s.pop(id) <= now_s
            table.remove(id)
        assert all(end_s > now_s - 1 for end_s in ends_s.values())
