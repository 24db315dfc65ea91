"""A new cluster: who its members are is known to all of them, and on disk, before any of them votes."""

import random
import re
from io import BytesIO

import pytest

from raftcy.errors import DecodeError, MembersDiffer
from raftcy.replica.bootstrap import (
    Bootstrap,
    Statement,
    decode_statement,
    given_members,
    split_address,
    stored,
)
from raftcy.replica.membertable import (
    Member,
    MemberTable,
    decode_table,
    read_table,
    table_of,
    with_table,
)

MEMBERS = {1: ("a:1",), 2: ("b:2", "[::1]:2"), 3: ("c:3",)}
TABLE = table_of(MEMBERS, {1: 11, 2: 22, 3: 33})


def exchange(*members: tuple[int, Bootstrap], rounds: int = 3) -> None:
    for _ in range(rounds):
        for one, speaker in members:
            for other, hearer in members:
                if one != other:
                    hearer.hear(one, speaker.say())


# -- the table -------------------------------------------------------------------------------------------------------


def test_a_table_comes_back() -> None:
    for table in (TABLE, MemberTable(()), table_of(MEMBERS, {}), table_of({2**64 - 3: ("ü:1",)}, {})):
        data = table.encode()
        assert decode_table(data) == (table, len(data))
        assert decode_table(b"xy" + data + b"z", 2) == (table, len(data) + 2)


def test_the_id_of_a_cluster_comes_from_its_table() -> None:
    assert TABLE.cluster == 0x1BB4FD78CF7A26A9, "no version of raftcy may take it differently"
    seen = {TABLE.cluster}
    for other in (
        table_of(MEMBERS, {1: 11, 2: 22, 3: 34}),
        table_of({**MEMBERS, 3: ("c:4",)}, {1: 11, 2: 22, 3: 33}),
        table_of({1: MEMBERS[1], 2: MEMBERS[2]}, {1: 11, 2: 22}),
    ):
        assert other.cluster not in seen
        seen.add(other.cluster)


def test_every_cut_of_a_table_is_refused() -> None:
    data = TABLE.encode()
    for end in range(len(data)):
        with pytest.raises(DecodeError) as caught:
            decode_table(data[:end])
        assert caught.value.offset <= end


def test_other_bytes_are_no_table() -> None:
    twice = MemberTable((Member(1, 1, ()), Member(1, 2, ())))
    zero = MemberTable((Member(0, 1, ()),))
    for data in (
        twice.encode(),
        zero.encode(),
        b"\x02" + TABLE.encode()[1:],
        TABLE.encode().replace(b"c:3", b"c\xff3"),
    ):
        with pytest.raises(DecodeError):
            decode_table(data)


def test_a_snapshot_has_the_table() -> None:
    for state in (None, b"", b"some state"):
        file = BytesIO(with_table(7, TABLE, state))
        assert read_table(file) == (7, TABLE, state is not None)
        assert file.read() == (state or b"")


def test_bytes_without_a_table_are_no_snapshot_of_a_replica() -> None:
    data = with_table(7, TABLE, b"")
    for wrong in (b"", data[:13], b"\x02" + data[1:], b"\x01\x02" + data[2:], with_table(7, TABLE, None) + b"x"):
        with pytest.raises(DecodeError):
            read_table(BytesIO(wrong))
    longer = bytearray(data)
    longer[13] += 1
    with pytest.raises(DecodeError, match="ends at"):
        read_table(BytesIO(bytes(longer)))


# -- statements ------------------------------------------------------------------------------------------------------


def test_statements_come_back() -> None:
    for said in (Statement(TABLE, False, False), Statement(TABLE, True, False), Statement(TABLE, True, True)):
        assert decode_statement(said.encode()) == said


@pytest.mark.parametrize("data", [b"", b"\x03" + TABLE.encode(), b"\x00" + TABLE.encode() + b"x", b"\x00"])
def test_other_bytes_are_no_statement(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_statement(data)


# -- members ---------------------------------------------------------------------------------------------------------


def test_one_member_begins_at_once() -> None:
    alone = Bootstrap(1, 11, {1: ("a:1",)})
    assert alone.table == table_of({1: ("a:1",)}, {1: 11})
    assert alone.missing == []


def test_three_members_find_the_same_table() -> None:
    one, two, three = (Bootstrap(id, 11 * id, MEMBERS) for id in (1, 2, 3))
    exchange((1, one), (2, two), (3, three))
    assert one.table == two.table == three.table == TABLE


def test_nobody_begins_before_all_have_confirmed() -> None:
    one, two = Bootstrap(1, 11, MEMBERS), Bootstrap(2, 22, MEMBERS)
    exchange((1, one), (2, two), rounds=9)
    assert one.table is None
    assert one.missing == [1, 2, 3]
    three = Bootstrap(3, 33, MEMBERS)
    one.hear(3, three.say())
    assert one.missing == [2, 3], "the others have not said that they know all identities"
    two.hear(3, three.say())
    three.hear(1, one.say())
    three.hear(2, two.say())
    one.hear(2, two.say())
    assert one.table is None
    one.hear(3, three.say())
    assert one.table == TABLE


def test_a_stored_table_is_handed_on() -> None:
    late = Bootstrap(3, 33, MEMBERS)
    late.hear(1, stored(TABLE))
    assert late.table == TABLE


def test_a_member_that_lost_its_data_is_told_so() -> None:
    wiped = Bootstrap(3, 99, MEMBERS)
    with pytest.raises(MembersDiffer, match="knows member 3 under another identity") as caught:
        wiped.hear(1, stored(TABLE))
    assert caught.value.theirs == TABLE
    assert "replace it by a member with a new id" in str(caught.value)
    assert wiped.table is None


def test_a_new_identity_before_the_table_is_confirmed_is_the_one_that_counts() -> None:
    one, two, three = Bootstrap(1, 11, MEMBERS), Bootstrap(2, 22, MEMBERS), Bootstrap(3, 99, MEMBERS)
    one.hear(3, three.say())
    three = Bootstrap(3, 33, MEMBERS)
    exchange((3, three), (1, one), (2, two))
    assert one.table == two.table == three.table == TABLE


def test_a_new_identity_after_that_is_an_error() -> None:
    one, two, three = Bootstrap(1, 11, MEMBERS), Bootstrap(2, 22, MEMBERS), Bootstrap(3, 33, MEMBERS)
    one.hear(2, two.say())
    one.hear(3, three.say())
    with pytest.raises(MembersDiffer, match="member 3 has a new identity"):
        one.hear(3, Bootstrap(3, 34, MEMBERS).say())
    assert one.table is None


def test_lists_that_differ_are_shown() -> None:
    one = Bootstrap(1, 11, MEMBERS)
    other = Bootstrap(2, 22, {**MEMBERS, 3: ("d:4",)})
    with pytest.raises(MembersDiffer) as caught:
        one.hear(2, other.say())
    assert re.search(r"here: .*3=c:3.*\n.*there:.*3=d:4", str(caught.value))
    with pytest.raises(MembersDiffer, match="has begun with other members"):
        one.hear(2, stored(table_of({1: ("a:1",)}, {1: 11})))


def test_a_confirmation_of_another_table_is_an_error() -> None:
    one, two, three = Bootstrap(1, 11, MEMBERS), Bootstrap(2, 22, MEMBERS), Bootstrap(3, 33, MEMBERS)
    two.hear(1, one.say())
    two.hear(3, Bootstrap(3, 34, MEMBERS).say())
    one.hear(3, three.say())
    with pytest.raises(MembersDiffer, match="member 2 has confirmed another table"):
        one.hear(2, two.say())


def test_who_is_not_in_the_list_cannot_begin() -> None:
    with pytest.raises(MembersDiffer, match="member 4 is not in the list of members"):
        Bootstrap(4, 44, MEMBERS)


def test_who_does_not_say_who_it_is_is_not_heard() -> None:
    one = Bootstrap(1, 11, MEMBERS)
    with pytest.raises(DecodeError, match="does not say who it is"):
        one.hear(2, Statement(table_of(MEMBERS, {}), False, False).encode())


def test_what_comes_after_the_end_changes_nothing() -> None:
    one = Bootstrap(1, 11, {1: ("a:1",)})
    one.hear(2, Statement(TABLE, True, True).encode())
    assert one.table is not None
    assert one.table.find(2) is None


@pytest.mark.parametrize("seed", range(150))
def test_two_tables_are_never_stored(seed: int) -> None:
    """Messages are lost and late, members restart, and lose their disks: those that keep theirs agree, all the same."""
    draw = random.Random(seed)
    identities = {id: draw.randrange(1, 2**64) for id in MEMBERS}
    disks: dict[int, MemberTable] = {}
    members = {id: Bootstrap(id, identities[id], MEMBERS) for id in MEMBERS}
    late: list[tuple[int, int, bytes]] = []
    dead: set[int] = set()
    wiped = False
    for _ in range(150):
        what = draw.random()
        id = draw.choice(list(MEMBERS))
        if what < 0.04:
            members[id] = Bootstrap(id, identities[id], MEMBERS)
            dead.discard(id)
        elif what < 0.05 and not wiped:
            wiped = True
            disks.pop(id, None)
            identities[id] = draw.randrange(1, 2**64)
            members[id] = Bootstrap(id, identities[id], MEMBERS)
        elif what < 0.6 and id not in dead:
            said = stored(disks[id]) if id in disks else members[id].say()
            late += [(id, other, said) for other in MEMBERS if other != id]
        elif late:
            sender, receiver, data = late.pop(draw.randrange(len(late)))
            if receiver in disks or receiver in dead:
                continue
            try:
                members[receiver].hear(sender, data)
            except MembersDiffer:
                # Its start has failed; somebody starts it again.
                dead.add(receiver)
                continue
            table = members[receiver].table
            if table is not None:
                own = table.find(receiver)
                assert own is not None
                assert own.identity == identities[receiver]
                disks[receiver] = table
    assert len({table.cluster for table in disks.values()}) <= 1
    if not wiped:
        assert not dead


# -- what a caller gives ---------------------------------------------------------------------------------------------


def test_addresses() -> None:
    assert split_address("host:7000") == ("host", 7000)
    assert split_address("[::1]:7000") == ("::1", 7000)
    assert split_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert given_members({1: "a:1", 2: ["b:2", "c:3"]}) == {1: ("a:1",), 2: ("b:2", "c:3")}


@pytest.mark.parametrize("address", ["host", "host:", ":7", "host:x", "host:65536", "host:-1", "host:7²"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        split_address(address)


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({0: "a:1"}, ValueError),
        ({2**64 - 2: "a:1"}, ValueError),
        ({"1": "a:1"}, ValueError),
        ({True: "a:1"}, ValueError),
        ({1: ()}, TypeError),
        ({1: 7}, TypeError),
        ({1: [7]}, TypeError),
        ({1: "a"}, ValueError),
    ],
)
def test_what_are_no_members(members: dict, error: type) -> None:
    with pytest.raises(error):
        given_members(members)
