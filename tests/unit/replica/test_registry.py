"""The registry judges each change and each command alike on all members, and comes back from its snapshot."""

import io
import random
from typing import Any

import pytest

from raftcy.errors import CommandError, Corruption, DecodeError
from raftcy.machines import Command
from raftcy.machines.plaindata import pack, unpack
from raftcy.replica import registry as subject
from raftcy.replica import wishes
from raftcy.replica.hostrecords import (
    Arrival,
    GroupRecord,
    Role,
    Wish,
    admits_arrival,
    decode_arrival,
    given_addresses,
    given_attributes,
)
from raftcy.replica.joining import No, Taken, Wait, decode_reply, encode_reply
from raftcy.replica.membertable import MemberTable, table_of
from raftcy.replica.registry import Registry, first_voters, group_of
from raftcy.wire.changes import ConfChangeSingle, ConfChangeV2
from raftcy.wire.enums import ConfChangeType
from raftcy.wire.messages import ConfState

TABLE = table_of({1: ("a:1",), 2: ("b:2",), 3: ("c:3",)}, {1: 11, 2: 22, 3: 33})
ADD, LEARN, REMOVE = ConfChangeType.ADD_NODE, ConfChangeType.ADD_LEARNER_NODE, ConfChangeType.REMOVE_NODE


def founded() -> Registry:
    made = Registry()
    made.found(TABLE)
    return made


def change(*steps: tuple[ConfChangeType, int], context: bytes = b"") -> ConfChangeV2:
    return ConfChangeV2(changes=[ConfChangeSingle(type=kind, node_id=id) for kind, id in steps], context=context)


def arrives(id: int, identity: int, **fields: Any) -> ConfChangeV2:
    arrival = Arrival(id=id, identity=identity, **{"addresses": (f"h{id}:1",), **fields})
    return change((LEARN, id), context=arrival.encode())


def does(registry: Registry, made: ConfChangeV2) -> str:
    """Apply a change as a member does. Returns the reason of a refusal."""
    refused = registry.admit(made, 5)
    if refused is not None:
        return refused.reason
    registry.changed(made)
    return ""


def wants(registry: Registry, command: wishes.Command) -> str:
    """Apply a command; returns the reason of a refusal."""
    before = registry.capture()
    found = registry.apply_one(Command(1, 1, registry.encode(command), 0, 0))
    if isinstance(found, CommandError):
        assert registry.capture() == before, "a refused command changes nothing"
        return found.reason
    return ""


def copied(registry: Registry) -> Registry:
    again = Registry()
    again.restore(io.BytesIO(registry.capture()))
    return again


# -- entering ------------------------------------------------------------------------------------------------------


def test_a_host_enters_by_one_change() -> None:
    registry = founded()
    assert not registry.has(4)
    assert does(registry, arrives(4, 44, name="four", attributes=(("a", "b"),))) == ""
    found = registry.hosts[4]
    assert (found.identity, found.addresses, found.wish, found.role) == (44, ("h4:1",), Wish.VOTER, Role.LEARNER)
    assert (found.name, found.attributes) == ("four", (("a", "b"),))
    assert registry.has(4)
    member = registry.table.find(4)
    assert member is not None
    assert member.identity == 44
    assert does(registry, change((ADD, 4))) == ""
    assert registry.hosts[4].role == Role.VOTER


def test_a_reserved_place_decides() -> None:
    registry = founded()
    assert wants(registry, wishes.Reserve(id=4, addresses=("four:4",), wish=Wish.LEARNER, name="n")) == ""
    assert not registry.has(4), "nobody has come: no vote counts"
    assert registry.table.find(4) is None
    assert does(registry, change((ADD, 4))) == "unknown"
    assert does(registry, arrives(4, 44, addresses=())) == ""
    found = registry.hosts[4]
    assert (found.wish, found.addresses, found.name) == (Wish.LEARNER, ("four:4",), "n")
    assert does(registry, change((ADD, 4))) == "not wished"


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (arrives(3, 99), "identity"),
        (arrives(4, 33), "identity"),
        (arrives(4, 44, addresses=()), "addresses"),
        (change((LEARN, 4)), "unknown"),
        (change((ADD, 4)), "unknown"),
        (change((REMOVE, 4)), "unknown"),
        (change((REMOVE, 3)), "not wished"),
        (change((LEARN, 5), context=Arrival(id=4, identity=44, addresses=("a:1",)).encode()), "malformed"),
        (change((LEARN, 4), context=b"other bytes"), "malformed"),
        (change((ConfChangeType.UPDATE_NODE, 3)), "malformed"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(made: ConfChangeV2, reason: str) -> None:
    """An id keeps its identity, and an identity its id.

    catches: etcd#21178
    """
    registry = founded()
    before = registry.capture()
    assert does(registry, made) == reason
    assert registry.capture() == before


def test_leaving_a_joint_configuration_is_no_change_of_hosts() -> None:
    assert founded().admit(ConfChangeV2(), 7) is None


def test_who_comes_twice_is_the_same() -> None:
    registry = founded()
    assert does(registry, arrives(4, 44)) == ""
    assert does(registry, change((ADD, 4))) == ""
    assert does(registry, arrives(4, 45)) == "identity"
    assert registry.hosts[4].role == Role.VOTER


def test_a_program_that_is_too_old_is_refused() -> None:
    def refuses(version: int) -> CommandError | None:
        return CommandError("too old", "version") if version < 3 else None

    assert admits_arrival(arrives(4, 44, knows=3), refuses) is None
    refused = admits_arrival(arrives(4, 44, knows=2), refuses)
    assert refused is not None
    assert refused.reason == "version"
    assert admits_arrival(change((ADD, 4)), refuses) is None
    refused = admits_arrival(change((LEARN, 4), context=b"x"), refuses)
    assert refused is not None
    assert refused.reason == "malformed"


# -- leaving -------------------------------------------------------------------------------------------------------


def test_a_removed_id_is_never_taken_again() -> None:
    """Somebody could still act on what was said under it.

    catches: etcd#21178
    """
    registry = founded()
    assert wants(registry, wishes.Want(3, Wish.LEAVING)) == ""
    assert does(registry, change((REMOVE, 3))) == ""
    assert registry.removed == {3}
    for again in (registry, copied(registry)):
        assert does(again, arrives(3, 33)) == "removed"
        assert does(again, arrives(3, 34)) == "removed"
        assert wants(again, wishes.Reserve(id=3, addresses=("a:1",), wish=Wish.VOTER)) == "removed"
        assert wants(again, wishes.Want(3, Wish.VOTER)) == "removed"
        assert wants(again, wishes.Update(3, name="x")) == "removed"
        assert wants(again, wishes.Want(3, Wish.LEAVING)) == "", "the wish is fulfilled already"


def test_the_last_voter_stays() -> None:
    registry = founded()
    for id in (1, 2):
        assert wants(registry, wishes.Want(id, Wish.LEAVING)) == ""
    assert wants(registry, wishes.Want(3, Wish.LEAVING)) == "last"
    assert wants(registry, wishes.Want(3, Wish.LEARNER)) == "last"
    assert does(registry, change((REMOVE, 1), (REMOVE, 2), (LEARN, 3))) == "last"
    assert does(registry, change((REMOVE, 1), (REMOVE, 2))) == ""


def test_a_place_that_nobody_took_is_given_up() -> None:
    registry = founded()
    assert wants(registry, wishes.Reserve(id=4, addresses=(), wish=Wish.VOTER)) == ""
    assert wants(registry, wishes.Want(4, Wish.LEAVING)) == ""
    assert 4 not in registry.hosts
    assert registry.removed == set()


def test_a_wish_is_taken_back() -> None:
    registry = founded()
    assert wants(registry, wishes.Want(3, Wish.LEAVING, True)) == ""
    assert registry.hosts[3].forced
    assert wants(registry, wishes.Want(3, Wish.VOTER)) == ""
    assert not registry.hosts[3].forced
    assert does(registry, change((REMOVE, 3))) == "not wished"


def test_a_replacement() -> None:
    """catches: redisraft#17"""
    registry = founded()
    assert wants(registry, wishes.Reserve(id=4, addresses=(), wish=Wish.VOTER, replaces=9)) == "unknown"
    reserve = wishes.Reserve(id=4, addresses=("d:4",), wish=Wish.VOTER, replaces=3)
    assert wants(registry, reserve) == ""
    assert wants(registry, reserve) == ""
    assert wants(registry, wishes.Reserve(id=5, addresses=(), wish=Wish.VOTER, replaces=3)) == "replaced"
    assert wants(registry, wishes.Reserve(id=2, addresses=(), wish=Wish.VOTER, replaces=3)) == "replaced"
    assert wants(registry, wishes.Reserve(id=1, addresses=(), wish=Wish.VOTER, replaces=1)) == "known"
    assert wants(registry, wishes.Reserve(id=4, addresses=(), wish=Wish.VOTER, replaces=1)) == "known"
    assert does(registry, arrives(4, 44)) == ""
    assert wants(registry, reserve) == "", "it may come again once the host is there"
    assert does(registry, change((ADD, 4), (REMOVE, 3))) == ""
    # The joint configuration may need its vote to end, so the others must still know it.
    assert registry.has(3)
    assert 3 not in registry.removed
    copy = Registry()
    copy.restore(io.BytesIO(registry.capture()))
    assert copy.hosts[3].role == Role.OUTGOING
    for each in (registry, copy):
        assert does(each, ConfChangeV2()) == ""
        assert not each.has(3)
    assert copy.capture() == registry.capture()
    assert registry.hosts[4].replaces == 0
    assert registry.removed == {3}


# -- other commands ------------------------------------------------------------------------------------------------


def test_a_member_replaces_another_one() -> None:
    registry = founded()
    assert does(registry, arrives(4, 44, wish=Wish.LEARNER)) == ""
    assert wants(registry, wishes.Reserve(id=4, addresses=("x:1",), wish=Wish.VOTER, replaces=3)) == ""
    found = registry.hosts[4]
    assert (found.replaces, found.wish, found.addresses) == (3, Wish.VOTER, ("h4:1",))
    assert does(registry, change((ADD, 4))) == ""
    assert does(registry, change((REMOVE, 3))) == ""
    assert registry.hosts[4].replaces == 0


def test_updates() -> None:
    registry = founded()
    assert wants(registry, wishes.Update(2, addresses=("x:1", "y:2"))) == ""
    assert wants(registry, wishes.Update(2, name="two", attributes=(("k", "v"),))) == ""
    found = registry.hosts[2]
    assert (found.addresses, found.name, found.attributes) == (("x:1", "y:2"), "two", (("k", "v"),))
    assert wants(registry, wishes.Update(9, name="x")) == "unknown"


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "HOSTS_MAX", 3)
    monkeypatch.setattr(subject, "GROUPS_MAX", 1)
    registry = founded()
    assert wants(registry, wishes.Reserve(id=4, addresses=(), wish=Wish.VOTER)) == "full"
    assert does(registry, arrives(4, 44)) == "full"
    assert wants(registry, wishes.Create("a")) == ""
    assert wants(registry, wishes.Create("b")) == "full"


def test_groups_begin_with_the_same_voters_everywhere() -> None:
    """Two first configurations could have two leaders.

    catches: redisraft#17
    """
    registry = founded()
    assert first_voters(registry, "a", 1) is None
    assert wants(registry, wishes.Create("a")) == ""
    assert does(registry, arrives(4, 44)) == ""
    assert does(registry, change((ADD, 4))) == ""
    assert wants(registry, wishes.Create("a")) == ""
    assert registry.groups["a"] == GroupRecord("a", group_of("a"), (1, 2, 3))
    # While all who founded the cluster are voters, they begin each group, as in earlier versions.
    assert wants(registry, wishes.Create("b")) == ""
    assert registry.groups["b"].voters == (1, 2, 3)
    assert wants(registry, wishes.Want(1, Wish.LEAVING)) == ""
    assert does(registry, change((REMOVE, 1))) == ""
    assert wants(registry, wishes.Create("c")) == ""
    for each in (registry, copied(registry)):
        assert first_voters(each, "c", 4) == ConfState(voters=[2, 3, 4])
        assert first_voters(each, "a", 4) == ConfState(), "it waits for the leader to add it"
        assert first_voters(each, "a", 2) == ConfState(voters=[1, 2, 3])


def test_two_groups_never_have_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "group_of", lambda name: 7)
    registry = founded()
    assert wants(registry, wishes.Create("a")) == ""
    assert wants(registry, wishes.Create("b")) == "collision"
    assert wants(copied(registry), wishes.Create("b")) == "collision"
    assert wants(registry, wishes.Create("a")) == ""


def test_a_deleted_group_is_never_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that was away could bring entries of the old group into the new one.

    catches: tikv#14162
    """
    registry = founded()
    assert wants(registry, wishes.Delete("a")) == "unknown"
    assert wants(registry, wishes.Create("a")) == ""
    assert wants(registry, wishes.Delete("a")) == ""
    for each in (registry, copied(registry)):
        assert each.groups == {}
        assert each.deleted == {group_of("a"): "a"}
        assert wants(each, wishes.Create("a")) == "deleted"
        assert wants(each, wishes.Delete("a")) == "", "the command may come twice"
        assert first_voters(each, "a", 1) is None
    # Another name with that id is no better.
    monkeypatch.setattr(subject, "group_of", lambda name: registry_id)
    registry_id = group_of("a")
    assert wants(registry, wishes.Create("b")) == "deleted"
    assert wants(registry, wishes.Delete("b")) == "unknown"
    # The ids of deleted groups count, since nobody may forget them.
    monkeypatch.undo()
    monkeypatch.setattr(subject, "GROUPS_MAX", 2)
    assert wants(registry, wishes.Create("c")) == ""
    assert wants(registry, wishes.Create("d")) == "full"


def test_a_snapshot_without_deleted_groups_opens() -> None:
    """Earlier versions deleted none."""
    registry = founded()
    fields: Any = unpack(registry.capture())
    again = Registry()
    again.restore(io.BytesIO(pack(fields[:-1])))
    assert again.capture() == registry.capture()


def test_each_change_is_noted() -> None:
    registry = founded()
    noted: list[int] = []
    registry.on_change = lambda: noted.append(registry.generation)
    assert wants(registry, wishes.Update(1, name="x")) == ""
    assert wants(registry, wishes.Update(1, name="x")) == ""
    assert len(noted) == 1
    registry.restore(io.BytesIO(registry.capture()))
    assert len(noted) == 2


# -- bytes ---------------------------------------------------------------------------------------------------------

COMMANDS: list[wishes.Command] = [
    wishes.Reserve(id=4, addresses=("a:1",), wish=Wish.VOTER, name="n", attributes=(("a", "b"),), replaces=3),
    wishes.Reserve(id=2**64 - 3, addresses=(), wish=Wish.LEARNER),
    wishes.Want(3, Wish.LEAVING, True),
    wishes.Update(3, None, "n", None),
    wishes.Update(3, ("a:1", "[::1]:2"), None, ()),
    wishes.Create("ü"),
    wishes.Delete("ü"),
]


def test_commands_come_back() -> None:
    for command in COMMANDS:
        assert wishes.decode(wishes.encode(command)) == command


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (9,),
        ("a",),
        7,
        (1, 4),
        (1, 0, (), 2, "", (), 0),
        (1, 4, (), 3, "", (), 0),
        (1, 4, ("a",), 2, "", (), 0),
        (1, 4, (), 2, "x" * 256, (), 0),
        (1, 4, (), 2, "", (("b", "c"), ("a", "c")), 0),
        (1, 4, (), 2, "", (), 2**64 - 1),
        (2, 3, 7, False),
        (2, 3, 3, 1),
        (2, True, 3, False),
        (3, 3, (), None, None),
        (3, 3, ("a:1",) * 9, None, None),
        (3, 3, None, 7, None),
        (4, ""),
        (4, "x" * 256),
    ],
)
def test_other_bytes_are_no_command(fields: Any) -> None:
    with pytest.raises(DecodeError):
        wishes.decode(pack(fields))
    found = founded().apply_one(Command(1, 1, pack(fields), 0, 0))
    assert isinstance(found, CommandError)
    assert found.reason == "malformed"


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (2, 4, 44, (), 2, 1, "", ()),
        (1, 0, 44, (), 2, 1, "", ()),
        (1, 4, 0, (), 2, 1, "", ()),
        (1, 4, 44, (), 3, 1, "", ()),
        (1, 4, 44, (), 2, 0, "", ()),
        (1, 4, 44, ("a",), 2, 1, "", ()),
        (1, 4, 44, (), 2, 1, 5, ()),
        (1, 4, 44, (), 2, 1, "", ((1, 2),)),
    ],
)
def test_other_bytes_are_no_arrival(fields: Any) -> None:
    with pytest.raises(DecodeError):
        decode_arrival(pack(fields))


def test_replies_come_back() -> None:
    for reply in (Taken(7, TABLE), Wait("why"), No("removed", "text")):
        assert decode_reply(encode_reply(reply)) == reply
    for wrong in ((), (9,), (1, 0, TABLE.encode()), (1, 7, TABLE.encode() + b"x"), (2,), (2, 7), (3, "a"), 5):
        with pytest.raises(DecodeError):
            decode_reply(pack(wrong))


def test_damaged_snapshots_are_told() -> None:
    data = founded().capture()
    for wrong in (data[:-1], pack((2, *[()] * 4)), pack((1, TABLE.encode(), ((1,),), (), ())), b""):
        with pytest.raises(Corruption):
            Registry().restore(io.BytesIO(wrong))


def test_what_callers_give() -> None:
    assert given_addresses("a:1") == ("a:1",)
    assert given_addresses(["a:1", "b:2"]) == ("a:1", "b:2")
    assert given_attributes({"b": "1", "a": "2"}) == (("a", "2"), ("b", "1"))
    for wrong in ([], "a", ["a:1"] * 9, ["x" * 300 + ":1"]):
        with pytest.raises(ValueError, match="address"):
            given_addresses(wrong)
    with pytest.raises(TypeError):
        given_addresses(7)
    for attributes in ({"a": 1}, {"x" * 2000: ""}, {str(n): "" for n in range(65)}):
        with pytest.raises(ValueError, match="attribute"):
            given_attributes(attributes)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(40))
def test_members_agree_whatever_comes(seed: int) -> None:
    """The same entries give the same registry, with snapshots between or without; the rules hold after each."""
    draw = random.Random(seed)
    one, other = founded(), founded()
    identities: dict[int, int] = {1: 11, 2: 22, 3: 33}
    removed: set[int] = set()
    for _ in range(120):
        id = draw.randint(1, 7)
        if draw.random() < 0.5:
            command: wishes.Command = draw.choice(
                [
                    wishes.Reserve(
                        id=id, addresses=("a:1",), wish=Wish(draw.randint(1, 2)), replaces=draw.choice((0, 1, 2, 3))
                    ),
                    wishes.Want(id, draw.choice(list(Wish)), draw.random() < 0.5),
                    wishes.Update(id, name=str(draw.random())),
                    wishes.Create(str(draw.randint(1, 5))),
                    wishes.Delete(str(draw.randint(1, 5))),
                ]
            )
            assert wants(one, command) == wants(other, command)
        else:
            made = draw.choice(
                [
                    arrives(id, draw.choice((id * 11, 77))),
                    change((ADD, id)),
                    change((LEARN, id)),
                    change((REMOVE, id)),
                    change((ADD, id), (REMOVE, draw.randint(1, 7))),
                ]
            )
            assert does(one, made) == does(other, made)
        if draw.random() < 0.2:
            other = copied(other)
        assert one.capture() == other.capture()
        removed |= one.removed
        assert one.removed == removed
        assert not set(one.groups) & set(one.deleted.values())
        assert not removed & set(one.hosts)
        assert any(each.role == Role.VOTER for each in one.hosts.values())
        present = [each.identity for each in one.hosts.values() if each.identity]
        assert len(present) == len(set(present))
        for each in one.hosts.values():
            if each.identity:
                assert identities.setdefault(each.id, each.identity) == each.identity


def test_an_empty_registry() -> None:
    assert Registry().table == MemberTable(())
    assert copied(Registry()).hosts == {}
