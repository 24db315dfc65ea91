"""Shared by the tests of the encoding: values of either build from one recipe, damaged bytes, and outcomes."""

import importlib
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

CODEC_NAMES = {
    "Entry": "entry",
    "HardState": "hard_state",
    "ConfState": "conf_state",
    "SnapshotMetadata": "snapshot_metadata",
    "Snapshot": "snapshot",
    "Message": "message",
    "ConfChange": "conf_change",
    "ConfChangeSingle": "conf_change_single",
    "ConfChangeV2": "conf_change_v2",
}
KINDS = list(CODEC_NAMES)

# fields whose values are values of another kind
PARTS = {
    "SnapshotMetadata": {"conf_state": "ConfState"},
    "Snapshot": {"metadata": "SnapshotMetadata"},
    "Message": {"entries": "Entry", "snapshot": "Snapshot", "responses": "Message"},
    "ConfChangeV2": {"changes": "ConfChangeSingle"},
}


def load(build: ModuleType, name: str) -> ModuleType:
    """A module of the package `build`."""
    return importlib.import_module(f"{build.__name__}.{name}")


def codec(build: ModuleType) -> ModuleType:
    """The codec of the package `build`."""
    return load(build, "wire.codec")


def class_of(build: ModuleType, kind: str) -> Any:
    """The class of a kind in the package `build`."""
    module = load(build, "wire.changes" if kind.startswith("ConfChange") else "wire.messages")
    return getattr(module, kind)


def make(build: ModuleType, kind: str, recipe: dict[str, Any]) -> Any:
    """Make the value that a recipe describes: its fields by name, with submessages as recipes."""
    fields = {}
    for name, item in recipe.items():
        part = PARTS.get(kind, {}).get(name)
        if part and isinstance(item, list):
            fields[name] = [make(build, part, each) for each in item]
        else:
            fields[name] = make(build, part, item) if part else item
    return class_of(build, kind)(**fields)


def encode(build: ModuleType, kind: str, value: Any) -> bytes:
    """Encode with the codec's function, not the value's method."""
    return getattr(codec(build), f"encode_{CODEC_NAMES[kind]}")(value)


def decode(build: ModuleType, kind: str, data: Any) -> Any:
    """Decode with the codec's function, not the class's method."""
    return getattr(codec(build), f"decode_{CODEC_NAMES[kind]}")(data)


def outcome(build: ModuleType, kind: str, data: Any) -> Any:
    """The outcome of decoding: everything observable about the value, or about the error."""
    errors = load(build, "errors")
    try:
        value = decode(build, kind, data)
    except errors.DecodeError as error:
        return type(error).__name__, error.text, error.offset, str(error), repr(error)
    return load(build, "rafttest.vectors").fields_of(value), repr(value), encode(build, kind, value)


def varint(number: int) -> bytes:
    """A number in protobuf's encoding."""
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def field(number: int, payload: bytes) -> bytes:
    """A field of wire type 2."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


EDGES = [0, 1, 127, 128, 16383, 16384, 2**21 - 1, 2**21, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
u64s = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**64 - 1), st.integers(0, 300))
i32s = st.one_of(st.integers(0, 24), st.integers(-(2**31), 2**31 - 1), st.sampled_from([-1, -(2**31), 2**31 - 1]))
known_enums = st.integers(0, 2)
octets = st.one_of(st.binary(max_size=12), st.sampled_from([b"", b"a" * 127, b"a" * 128, b"\0" * 200]))
ids = st.lists(u64s, max_size=4)


def recipes(kind: str, *, level: int = 2, enums: Any = i32s) -> st.SearchStrategy[dict[str, Any]]:
    """Recipes of a kind; a message has responses down to `level`."""

    def part(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        return recipes(kind, level=level - 1, enums=enums)

    def numbers(*names: str) -> dict[str, Any]:
        return dict.fromkeys(names, u64s)

    fields: dict[str, Any] = {
        "Entry": lambda: {"type": enums, **numbers("term", "index"), "data": octets},
        "HardState": lambda: numbers("term", "vote", "commit"),
        "ConfState": lambda: {
            **dict.fromkeys(("voters", "learners", "voters_outgoing", "learners_next"), ids),
            "auto_leave": st.booleans(),
        },
        "SnapshotMetadata": lambda: {"conf_state": part("ConfState"), **numbers("index", "term")},
        "Snapshot": lambda: {"data": octets, "metadata": part("SnapshotMetadata")},
        "Message": lambda: {
            "type": enums,
            **numbers("to", "from_", "term", "log_term", "index", "commit", "reject_hint", "vote"),
            "entries": st.lists(part("Entry"), max_size=4),
            "snapshot": part("Snapshot"),
            "reject": st.booleans(),
            "context": octets,
            **({"responses": st.lists(part("Message"), max_size=2)} if level > 0 else {}),
        },
        "ConfChange": lambda: {"type": enums, **numbers("id", "node_id"), "context": octets},
        "ConfChangeSingle": lambda: {"type": enums, **numbers("node_id")},
        "ConfChangeV2": lambda: {
            "transition": enums,
            "changes": st.lists(part("ConfChangeSingle"), max_size=3),
            "context": octets,
        },
    }
    return st.fixed_dictionaries({}, optional=fields[kind]())


kinds_and_recipes = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), recipes(kind)))

# Bytes that are nearly an encoding: its pieces in any order, some of them broken.
_PIECES = [
    *(bytes([tag]) for tag in (0x08, 0x10, 0x18, 0x20, 0x28, 0x50, 0x09, 0x0D, 0x2B, 0x2C, 0x33, 0x34, 0x06, 0x07)),
    *(bytes([tag]) for tag in (0x0A, 0x12, 0x1A, 0x22, 0x3A, 0x4A, 0x62, 0x72, 0x00, 0x01, 0x02, 0x03, 0x05, 0x80)),
    *(varint(number) for number in EDGES),
    *(field(number, b"") for number in (1, 2, 4, 7, 9, 14)),
    *(field(number, b"\x10\x05\x18\x81\x00") for number in (1, 2, 4, 7, 9, 14)),
    *(field(number, b"\x28\x01") for number in (1, 2, 4, 7, 9, 14)),
    b"\x08\x00\x10\x01\x18\x02",
    b"\x90\x00\x05",
    b"\xff" * 9 + b"\x02",
    b"\x80" * 10 + b"\x01",
    b"\x2b\x08\x01\x2c",
    b"\x90\x80\x80\x80\x80\x00\x01",
]
pieces = st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=3)), max_size=12).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A kind, and an encoding of it with a few places changed, cut out or doubled."""
    import raftcy

    kind, recipe = draw(kinds_and_recipes)
    data = bytearray(encode(raftcy, kind, make(raftcy, kind, recipe)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        upto = min(len(data), at + draw(st.integers(0, 3)))
        data[at:upto] = draw(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=2)))
    return kind, bytes(data)


odd_bytes = st.one_of(mutated(), st.tuples(st.sampled_from(KINDS), pieces))
