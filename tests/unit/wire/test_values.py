"""The common behaviour of all values: construction, presence, equality, repr, immutability."""

import itertools
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given

from tests.support.values import KINDS, PARTS, class_of, decode, kinds_and_recipes, load, make

NUMBERS = {
    "Entry": ["term", "index"],
    "HardState": ["term", "vote", "commit"],
    "SnapshotMetadata": ["index", "term"],
    "Message": ["to", "from_", "term", "log_term", "index", "commit", "reject_hint", "vote"],
    "ConfChange": ["id", "node_id"],
    "ConfChangeSingle": ["node_id"],
}
ENUMS = dict.fromkeys(("Entry", "Message", "ConfChange", "ConfChangeSingle"), "type") | {"ConfChangeV2": "transition"}
OCTETS = {"Entry": "data", "Snapshot": "data", "Message": "context", "ConfChange": "context", "ConfChangeV2": "context"}
FLAGS = {"Message": "reject", "ConfState": "auto_leave"}
NAMES = {
    "Entry": ("type", "term", "index", "data"),
    "HardState": ("term", "vote", "commit"),
    "ConfState": ("voters", "learners", "voters_outgoing", "learners_next", "auto_leave"),
    "SnapshotMetadata": ("conf_state", "index", "term"),
    "Snapshot": ("data", "metadata"),
    "Message": (
        *("type", "to", "from_", "term", "log_term", "index", "entries", "commit", "snapshot", "reject"),
        *("reject_hint", "context", "vote", "responses"),
    ),
    "ConfChange": ("id", "type", "node_id", "context"),
    "ConfChangeSingle": ("type", "node_id"),
    "ConfChangeV2": ("transition", "changes", "context"),
}


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(kind, name) for kind, names in table.items() for name in names]


def namespace(build: ModuleType) -> dict[str, Any]:
    return {**vars(load(build, "wire.enums")), **{kind: class_of(build, kind) for kind in KINDS}}


@given(case=kinds_and_recipes)
def test_repr_evaluates_to_an_equal_value(build: ModuleType, case: tuple[str, dict[str, Any]]) -> None:
    value = make(build, *case)
    again = eval(repr(value), namespace(build))
    assert (type(again), again, again.encode()) == (type(value), value, value.encode())


def test_repr(build: ModuleType) -> None:
    entry, message = class_of(build, "Entry"), class_of(build, "Message")
    assert repr(entry()) == "Entry()"
    assert repr(entry(type=0, data=b"")) == "Entry(type=EntryType.NORMAL, data=b'')"
    assert repr(entry(type=77, term=0)) == "Entry(type=77, term=0)"
    value = message(type=3, from_=1, entries=[entry(index=2**64 - 1)], reject=False)
    shown = "Message(type=MessageType.MSG_APP, from_=1, entries=[Entry(index=18446744073709551615)], reject=False)"
    assert repr(value) == shown


@given(case=kinds_and_recipes)
def test_equality_is_of_values_not_of_presence(build: ModuleType, case: tuple[str, dict[str, Any]]) -> None:
    """A value with explicit defaults is equal, though its encoding differs."""
    kind, recipe = case
    value = make(build, kind, recipe)
    defaults = dict.fromkeys(NUMBERS.get(kind, []), 0)
    defaults |= {
        table[kind]: default for table, default in ((OCTETS, b""), (FLAGS, False), (ENUMS, 0)) if kind in table
    }
    filled = make(build, kind, {**defaults, **recipe})
    assert filled == value
    assert hash(filled) == hash(value)
    assert (filled != value) is False
    assert len({filled, value}) == 1
    assert (filled.encode() == value.encode()) == (set(defaults) <= set(recipe))


@given(one=kinds_and_recipes, two=kinds_and_recipes)
def test_equality_is_that_of_all_fields(build: ModuleType, one: Any, two: Any) -> None:
    a, b = make(build, *one), make(build, *two)
    if one[0] != two[0]:
        assert a != b
        return
    assert (a == b) == all(getattr(a, name) == getattr(b, name) for name in NAMES[one[0]])


def test_unknown_fields_do_not_count(build: ModuleType) -> None:
    entry = class_of(build, "Entry")
    value = decode(build, "Entry", b"\x10\x05\x28\x01")
    assert value == entry(term=5)
    assert repr(value) == "Entry(term=5)"
    assert value.encode() != entry(term=5).encode()


def test_values_of_different_classes_differ(build: ModuleType) -> None:
    empty = [class_of(build, kind)() for kind in KINDS]
    for one, two in itertools.combinations(empty, 2):
        assert one != two
        assert not one == two  # noqa: SIM201
    assert all(value != None and value != 0 and value != b"" for value in empty)  # noqa: E711


@pytest.mark.parametrize("kind", KINDS)
def test_defaults(build: ModuleType, kind: str) -> None:
    value = class_of(build, kind)()
    for name in NAMES[kind]:
        assert not value.has(name)
        default = getattr(value, name)
        if name in PARTS.get(kind, {}) and name not in ("entries", "responses", "changes"):
            part = PARTS[kind][name]
            assert default is None if part == "Snapshot" else default == class_of(build, part)()
        elif name == OCTETS.get(kind):
            assert default == b""
        elif name == FLAGS.get(kind):
            assert default is False
        elif name in NUMBERS.get(kind, []) or name == ENUMS.get(kind):
            assert default == 0
        else:
            assert default == []
    assert value.encode() == b""


@pytest.mark.parametrize("kind", KINDS)
def test_none_as_an_argument_means_absent(build: ModuleType, kind: str) -> None:
    value = class_of(build, kind)(**dict.fromkeys(NAMES[kind]))
    assert not any(value.has(name) for name in NAMES[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_names(build: ModuleType, kind: str) -> None:
    cls = class_of(build, kind)
    assert cls.__match_args__ == NAMES[kind]
    assert (cls.__name__, cls.__qualname__) == (kind, kind)
    assert cls.__module__.rpartition(".")[0] == f"{build.__name__}.wire"
    for wrong in ("", "_present", "encode", "Term", "unknown"):
        with pytest.raises(ValueError, match=f"no field '{wrong}'"):
            cls().has(wrong)
    for wrong_arguments in ({"nothing": 1}, {"_present": 1}):
        with pytest.raises(TypeError):
            cls(**wrong_arguments)
    with pytest.raises(TypeError):
        cls(1)


def test_match(build: ModuleType) -> None:
    entry, hard_state = class_of(build, "Entry"), class_of(build, "HardState")
    match entry(term=2, index=7, data=b"x"):
        case entry(_, term, index, data):
            assert (term, index, data) == (2, 7, b"x")
    match hard_state(term=1, vote=2):
        case hard_state(term=term, vote=vote, commit=0):
            assert (term, vote) == (1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_immutable(build: ModuleType, kind: str) -> None:
    value = class_of(build, kind)()
    for name in (*NAMES[kind], "nothing", "_present", "__class__"):
        text = f"{kind} is immutable: cannot assign or delete '{name}'"
        with pytest.raises(AttributeError) as caught:
            setattr(value, name, 1)
        assert str(caught.value) == text
        with pytest.raises(AttributeError) as caught:
            delattr(value, name)
        assert str(caught.value) == text
    assert not hasattr(value, "__dict__")
    assert value == class_of(build, kind)()


@pytest.mark.parametrize(
    ("module", "kind"),
    [("wire.messages", kind) for kind in KINDS if not kind.startswith("ConfChange")]
    + [("core.ready", kind) for kind in ("Ready", "SoftState", "ReadState")]
    + [("core.rawnode", "RawNode")],
)
def test_final_classes_cannot_be_subclassed(build: ModuleType, module: str, kind: str) -> None:
    cls = getattr(load(build, module), kind)
    with pytest.raises(TypeError) as caught:
        type("Mine", (cls,), {})
    assert str(caught.value) == f"type '{build.__name__}.{module}.{kind}' is not an acceptable base type"


@pytest.mark.parametrize("kind", KINDS)
def test_read_values_are_immutable(build: ModuleType, kind: str) -> None:
    value = decode(build, kind, b"")
    with pytest.raises(AttributeError, match="is immutable"):
        setattr(value, NAMES[kind][0], 1)
    assert type(value) is class_of(build, kind)


def test_lists_of_ids_are_copies(build: ModuleType) -> None:
    given_ids = [1, 2]
    value = class_of(build, "ConfState")(voters=given_ids, learners=(3,), voters_outgoing={4}, learners_next=iter([5]))
    given_ids.append(9)
    value.voters.append(9)
    assert (value.voters, value.learners, value.voters_outgoing, value.learners_next) == ([1, 2], [3], [4], [5])
    single = class_of(build, "ConfChangeSingle")()
    change = class_of(build, "ConfChangeV2")(changes=[single])
    change.changes.append(single)
    assert change.changes == [single]


def test_lists_of_a_message_are_its_own(build: ModuleType) -> None:
    entry, message = class_of(build, "Entry"), class_of(build, "Message")
    given_entries = [entry(index=1)]
    value = message(entries=given_entries)
    given_entries.append(entry())
    assert value.entries == [entry(index=1)]
    assert not message(entries=[]).has("entries")
    assert not message(responses=()).has("responses")


@pytest.mark.parametrize(("kind", "name"), pairs(NUMBERS))
def test_range_of_numbers(build: ModuleType, kind: str, name: str) -> None:
    cls, errors = class_of(build, kind), load(build, "errors")
    for number in (0, 1, 2**63, 2**64 - 1):
        value = cls(**{name: number})
        assert (getattr(value, name), type(getattr(value, name))) == (number, int)
        assert value.has(name)
    for number in (-1, 2**64, -(2**64), 10**30):
        with pytest.raises(errors.RangeError) as caught:
            cls(**{name: number})
        assert str(caught.value) == f"{name} must be 0 to 2**64-1, not {number}"
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, OverflowError)
    for wrong in ("1", 1.0, 1.5, b"1", True, False, [1]):
        with pytest.raises(TypeError) as caught_type:
            cls(**{name: wrong})
        assert str(caught_type.value) == f"{name} must be an int, not {type(wrong).__name__}"


class Index:
    """An object that Python accepts as an int."""

    def __index__(self) -> int:
        return 7


def test_other_integers(build: ModuleType) -> None:
    """Anything with ``__index__`` is a number, and is kept as a plain int."""
    enums = load(build, "wire.enums")
    for given_number, kept in ((Index(), 7), (enums.MessageType.MSG_SNAP, 7)):
        value = class_of(build, "HardState")(term=given_number)
        assert (value.term, type(value.term)) == (kept, int)


@pytest.mark.parametrize(("kind", "name"), ENUMS.items())
def test_enums(build: ModuleType, kind: str, name: str) -> None:
    cls, enums = class_of(build, kind), load(build, "wire.enums")
    known = {
        "Entry": enums.EntryType,
        "Message": enums.MessageType,
        "ConfChangeV2": enums.ConfChangeTransition,
    }.get(kind, enums.ConfChangeType)
    for member in known:
        for given_number in (member, int(member)):
            assert getattr(cls(**{name: given_number}), name) is member
    for number in (-(2**31), -1, max(known) + 1, 2**31 - 1):
        found = getattr(cls(**{name: number}), name)
        assert (found, type(found)) == (number, int)
    for number in (-(2**31) - 1, 2**31):
        with pytest.raises(load(build, "errors").RangeError, match=f"{name} must be a signed 32-bit number"):
            cls(**{name: number})
    for wrong in ("MSG_APP", 1.0, True):
        with pytest.raises(TypeError, match=f"{name} must be an int"):
            cls(**{name: wrong})


@pytest.mark.parametrize(("kind", "name"), OCTETS.items())
def test_octets(build: ModuleType, kind: str, name: str) -> None:
    cls = class_of(build, kind)
    data = bytearray(b"abc")
    for given_bytes in (b"abc", data, memoryview(data), memoryview(b"abc")):
        value = cls(**{name: given_bytes})
        assert (getattr(value, name), type(getattr(value, name))) == (b"abc", bytes)
    value = cls(**{name: data})
    data[0] = 0
    assert getattr(value, name) == b"abc"
    for wrong in ("abc", 3, [97]):
        with pytest.raises(TypeError, match=f"{name} must be bytes, not {type(wrong).__name__}"):
            cls(**{name: wrong})


@pytest.mark.parametrize(("kind", "name"), FLAGS.items())
def test_flags(build: ModuleType, kind: str, name: str) -> None:
    cls = class_of(build, kind)
    for flag in (True, False):
        value = cls(**{name: flag})
        assert getattr(value, name) is flag
        assert value.has(name)
        assert getattr(decode(build, kind, value.encode()), name) is flag
    for wrong in (0, 1, "yes"):
        with pytest.raises(TypeError, match=f"{name} must be a bool, not {type(wrong).__name__}"):
            cls(**{name: wrong})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in PARTS.items() for name in names])
def test_parts(build: ModuleType, kind: str, name: str) -> None:
    cls, part = class_of(build, kind), PARTS[kind][name]
    wrong = class_of(build, "HardState")()
    given_wrong = [wrong] if name in ("entries", "responses", "changes") else wrong
    with pytest.raises(TypeError, match=f"{name} must be of {part}, not HardState"):
        cls(**{name: given_wrong})


def test_ids_of_a_conf_state(build: ModuleType) -> None:
    for name in NAMES["ConfState"][:4]:
        with pytest.raises(load(build, "errors").RangeError, match=f"{name} must be 0 to"):
            class_of(build, "ConfState")(**{name: [1, -1]})
        with pytest.raises(TypeError, match=f"{name} must be an int"):
            class_of(build, "ConfState")(**{name: ["1"]})


def test_equivalent_conf_states(build: ModuleType) -> None:
    """answers: TestConfState_Equivalent"""
    conf_state = class_of(build, "ConfState")
    one = conf_state(voters=[2, 1], learners=[4, 3], voters_outgoing=[6, 5], learners_next=[8, 7])
    same = conf_state(voters=[1, 2], learners=[3, 4], voters_outgoing=[5, 6], learners_next=[7, 8], auto_leave=False)
    assert one != same
    assert one.equivalent(same)
    assert same.equivalent(one)
    assert conf_state(voters=[]).equivalent(conf_state())
    for other in (
        conf_state(voters=[1, 2, 9]),
        conf_state(voters=[1, 1]),
        conf_state(voters=[1, 2], auto_leave=True),
        conf_state(voters=[1, 2], learners=[3]),
        conf_state(voters=[1, 2], voters_outgoing=[1]),
        conf_state(voters=[1, 2], learners_next=[1]),
    ):
        assert not conf_state(voters=[1, 2]).equivalent(other)
        assert not other.equivalent(conf_state(voters=[1, 2]))


def test_leaving_and_entering_a_joint_configuration(build: ModuleType) -> None:
    """answers: TestLeaveJoint"""
    change, single = class_of(build, "ConfChangeV2"), class_of(build, "ConfChangeSingle")
    assert change.__match_args__ == ("transition", "changes", "context")
    one, two = [single(type=0, node_id=1)], [single(type=0, node_id=1), single(type=1, node_id=2)]
    for value, leaves, enters in (
        (change(), True, (False, False)),
        (change(transition=0), True, (False, False)),
        (change(transition=0, context=b"x"), True, (False, False)),
        (change(transition=0, changes=[]), True, (False, False)),
        (change(changes=one), False, (False, False)),
        (change(changes=two), False, (True, True)),
        (change(transition=1), False, (True, True)),
        (change(transition=1, changes=one), False, (True, True)),
        (change(transition=2), False, (False, True)),
        (change(transition=2, changes=two, context=b"x"), False, (False, True)),
    ):
        assert (value.leave_joint(), value.enter_joint()) == (leaves, enters)
    with pytest.raises(ValueError, match="unknown transition: 3"):
        change(transition=3).enter_joint()


def test_v1_as_v2(build: ModuleType) -> None:
    v1, v2 = class_of(build, "ConfChange"), class_of(build, "ConfChangeV2")
    single = class_of(build, "ConfChangeSingle")
    assert v1(id=1, type=3, node_id=2, context=b"").as_v2() == v2(changes=[single(type=3, node_id=2)], context=b"")
    assert v1(type=0, node_id=2, context=b"").as_v2().has("context")
    assert not v1(type=0, node_id=2).as_v2().has("context")
    assert v1().as_v1() == v1()
    assert (v2().as_v1(), v2().as_v2()) == (None, v2())


def test_text_of_changes(build: ModuleType) -> None:
    changes = load(build, "wire.changes")
    text = "v1 l2 r3 u18446744073709551615"
    parsed = changes.conf_changes_from_string(f"  {text} ")
    assert [(int(c.type), c.node_id) for c in parsed] == [(0, 1), (3, 2), (1, 3), (2, 2**64 - 1)]
    assert changes.conf_changes_to_string(parsed) == text
    assert changes.conf_changes_from_string(" ") == []
    assert changes.conf_changes_to_string([class_of(build, "ConfChangeSingle")(type=9, node_id=1)]) == "unknown1"
    for wrong, error in (
        ("v", "unknown token v"),
        ("x1", "unknown input: x1"),
        ("v1 v", "unknown token v"),
        ("vx", 'strconv.ParseUint: parsing "x": invalid syntax'),
        ("v-1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ("v18446744073709551616", 'strconv.ParseUint: parsing "18446744073709551616": value out of range'),
    ):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            changes.conf_changes_from_string(wrong)
        assert str(caught.value) == error


def test_soft_and_read_state(build: ModuleType) -> None:
    module, enums = load(build, "core.ready"), load(build, "wire.enums")
    soft, read = module.SoftState(lead=2, raft_state=2), module.ReadState(index=3, request_ctx=b"r")
    assert repr(soft) == "SoftState(lead=2, raft_state=StateType.LEADER)"
    assert repr(read) == "ReadState(index=3, request_ctx=b'r')"
    assert soft.raft_state is enums.StateType.LEADER
    assert (soft == module.SoftState(lead=2, raft_state=2), soft == module.SoftState()) == (True, False)
    assert len({read, module.ReadState(index=3, request_ctx=bytearray(b"r"))}) == 1
    for value in (soft, read):
        assert all(value.has(name) for name in value.__match_args__)
        with pytest.raises(AttributeError, match="is immutable"):
            value.index = 1
    with pytest.raises(load(build, "errors").RangeError):
        module.SoftState(lead=-1)
    with pytest.raises(TypeError):
        module.ReadState(request_ctx="r")


def test_the_change_in_an_entry(build: ModuleType) -> None:
    names = namespace(build)
    decode_change, kinds = load(build, "wire.changes").decode_change, names["EntryType"]
    v1, v2 = names["ConfChange"](node_id=3, context=b"x"), names["ConfChangeV2"](context=b"y")
    for kind, change in ((kinds.CONF_CHANGE, v1), (kinds.CONF_CHANGE_V2, v2)):
        found = decode_change(names["Entry"](type=kind, term=1, index=2, data=change.encode()))
        assert (type(found), found) == (type(change), change)
        assert decode_change(names["Entry"](type=kind)) == type(change)()
    for kind in (None, kinds.NORMAL, 3, -1):
        with pytest.raises(ValueError, match=r"^an entry of type .* holds no configuration change$"):
            decode_change(names["Entry"](type=kind, data=v1.encode()))
    with pytest.raises(load(build, "errors").DecodeError):
        decode_change(names["Entry"](type=kinds.CONF_CHANGE, data=b"\x0a"))
    with pytest.raises(TypeError, match=r"^entry must be of Entry, not NoneType$"):
        decode_change(None)


def test_the_hard_state_in_a_message(build: ModuleType) -> None:
    """Only in a MsgStorageAppend, and only if the term is present: it is sent with all three fields or none."""
    names = namespace(build)
    message, hard_state = names["Message"], names["HardState"]
    kind = names["MessageType"].MSG_STORAGE_APPEND
    found = message(type=kind, term=5, vote=2, commit=7).hard_state()
    assert found == hard_state(term=5, vote=2, commit=7)
    assert all(found.has(name) for name in ("term", "vote", "commit"))
    assert message.decode(message(type=kind, term=0, vote=0, commit=0).encode()).hard_state() == hard_state()
    assert message(type=kind, vote=2, commit=7).hard_state() is None
    assert message(type=names["MessageType"].MSG_APP, term=5, vote=2, commit=7).hard_state() is None
