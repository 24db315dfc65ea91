"""State machines whose commands are dataclasses.

msgspec, which the extra ``raftcy[machines]`` installs, encodes a command: its version, its name, and the values of its
fields, in their order, as MessagePack. Nothing is pickled, so bytes cannot run code. Decoding checks every field
against its type.

Rules:

- A command belongs to a version. Until the group has reached that version, all members refuse the command, and
  ``encode`` refuses to make it. Otherwise a member with an older program could not apply it.
- All members refuse malformed bytes: an unknown name, a field of another type, one field too many or too few.
- Never change the name or the fields of a command, and never remove it, because old entries are applied again. A
  command with other fields is a new command, of a new version.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar, get_type_hints

from ..errors import CommandError, ConfigError, DecodeError, MachineFailed, UpgradeNeeded
from .envelope import VERSION_MOST
from .packing import Reader, block, number
from .statemachine import Command, StateMachine, failed

try:
    import msgspec
except ImportError as error:
    raise ImportError("typed commands need msgspec: install raftcy[machines]") from error

_Handler = TypeVar("_Handler", bound=Callable[..., Any])
_MARK = "_raftcy_applies"
_DEPTH_MOST = 8


class _Kind(NamedTuple):
    """A kind of command: how to encode and decode it, and the method that applies it."""

    cls: type
    name: str
    version: int
    # The beginning of its bytes: version and name.
    head: bytes
    names: tuple[str, ...]
    # Functions: decode the values of the fields after the head, and make a command of them.
    decode: Callable[[bytes], Any]
    make: Callable[..., Any]
    handler: str


def applies(command: type, *, version: int = 1, name: str = "") -> Callable[[_Handler], _Handler]:
    """Mark the method that applies commands of this dataclass. It gets the command and the `Command` around it.

    ``version`` is the group's version that the command needs. ``name`` is its name in the log, by default the name of
    the class. Raises ConfigError for a class that cannot be a command: if it is not a dataclass, or if it has a field
    whose values may differ between members (sets have no order) or cannot be checked (Any, other dataclasses).
    """

    def mark(handler: _Handler) -> _Handler:
        kind = _kind(command, version, name or command.__name__, handler.__name__)
        setattr(handler, _MARK, (*getattr(handler, _MARK, ()), kind))
        return handler

    return mark


def _kind(cls: type, version: int, name: str, handler: str) -> _Kind:
    if not is_dataclass(cls):
        raise ConfigError(f"{cls.__name__} is not a dataclass")
    if not 1 <= version <= VERSION_MOST:
        raise ConfigError(f"{cls.__name__} cannot be of version {version}")
    if not 0 < len(name.encode()) < 0x80:
        raise ConfigError(f"{cls.__name__} needs a name of 1 to 127 bytes")
    hints = get_type_hints(cls)
    given = [field for field in fields(cls) if field.init]
    names = tuple(field.name for field in given)
    types = tuple(hints[name] for name in names)
    for field, type in zip(names, types, strict=True):
        wrong = _objection(msgspec.inspect.type_info(type), 0)
        if wrong:
            raise ConfigError(f"field {field} of {cls.__name__}: {wrong}")
    # To msgspec, an empty tuple as a type means any tuple.
    decoder = msgspec.msgpack.Decoder(tuple[types] if types else tuple[()])  # type: ignore[valid-type]
    head = number(version) + block(name.encode())
    make = _by_keywords(cls, names) if any(field.kw_only for field in given) else cls
    return _Kind(cls, name, version, head, names, decoder.decode, make, handler)


def _by_keywords(cls: type, names: tuple[str, ...]) -> Callable[..., Any]:
    return lambda *values: cls(**dict(zip(names, values, strict=True)))


def _objection(type: Any, depth: int) -> str:
    """Return why a field cannot have this type, "" if it can."""
    i = msgspec.inspect
    if depth > _DEPTH_MOST:
        return f"types are nested more than {_DEPTH_MOST} deep"
    if isinstance(type, i.SetType | i.FrozenSetType):
        return "the order of a set differs from member to member, use a list or a tuple"
    if isinstance(type, i.AnyType | i.RawType | i.ExtType | i.CustomType):
        return "its values cannot be checked"
    if isinstance(type, i.DataclassType | i.TypedDictType | i.NamedTupleType | i.StructType):
        return "use a tuple in place of a class within a command: fields that a newer program adds would be skipped"
    inner: Sequence[Any] = ()
    if isinstance(type, i.UnionType):
        inner = type.types
    elif isinstance(type, i.TupleType):
        inner = type.item_types
    elif isinstance(type, i.ListType | i.VarTupleType):
        inner = (type.item_type,)
    elif isinstance(type, i.DictType):
        inner = (type.key_type, type.value_type)
    elif isinstance(type, i.Metadata):
        inner = (type.type,)
    return next((wrong for each in inner if (wrong := _objection(each, depth + 1))), "")


class TypedMachine(StateMachine):
    """A state machine whose commands are dataclasses.

    A subclass has a method for each kind of command, marked with `applies`. The method returns the answer. To refuse
    the command, it returns or raises a `CommandError`, and must leave the state as it was. ``knows`` is the highest
    version of the commands, unless the subclass sets it higher (a new format of snapshots is a new version too).
    """

    _by_head: ClassVar[dict[bytes, _Kind]] = {}
    _by_class: ClassVar[dict[type, _Kind]] = {}

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        by_head, by_class = dict(cls._by_head), dict(cls._by_class)
        for value in vars(cls).values():
            for kind in getattr(value, _MARK, ()):
                if kind.cls in by_class or any(kind.name == other.name for other in by_head.values()):
                    raise ConfigError(f"{cls.__name__} has {kind.name} twice")
                by_head[kind.head] = by_class[kind.cls] = kind
        cls._by_head, cls._by_class = by_head, by_class
        highest = max((kind.version for kind in by_head.values()), default=1)
        if cls.knows < highest:
            if "knows" in vars(cls):
                raise ConfigError(f"{cls.__name__} knows versions up to {cls.knows}, but has commands of {highest}")
            cls.knows = highest

    def encode(self, command: Any) -> bytes:
        """Encode a command.

        Raises TypeError for an object that is not one of this machine's commands, and CommandError, with the reason
        "malformed" or "version", for a command that every member would refuse.
        """
        kind = self._by_class.get(type(command))
        if kind is None:
            raise TypeError(f"{type(command).__name__} is not a command of {type(self).__name__}")
        if kind.version > self.version:
            raise _too_new(kind.version, self.version)
        values = tuple([getattr(command, name) for name in kind.names])
        try:
            data = msgspec.msgpack.encode(values)
            kind.decode(data)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
            raise CommandError(f"{kind.name} cannot be encoded: {error}", "malformed") from None
        return kind.head + data

    def decode(self, data: bytes) -> Any:
        """Decode a command.

        Raises CommandError, with the reason "malformed", "unknown" or "version", for bytes that every member refuses,
        and UpgradeNeeded for a command that the group may use but this program does not know.
        """
        kind, values = self._decode(data)
        return _made(kind, values)

    def _decode(self, data: bytes) -> tuple[_Kind, Any]:
        """Decode the kind of a command, and the values of its fields."""
        # Nearly all versions, and the lengths of all names, take one byte.
        head = data[: 2 + data[1]] if len(data) > 1 else data
        kind = self._by_head.get(head)
        if kind is None:
            kind = self._find(data)
            head = kind.head
        if kind.version > self.version:
            raise _too_new(kind.version, self.version)
        try:
            return kind, kind.decode(data[len(head) :])
        except (msgspec.MsgspecError, ValueError):
            raise _malformed(kind) from None

    def _find(self, data: bytes) -> _Kind:
        reader = Reader(data)
        try:
            version = reader.number(1, VERSION_MOST)
            reader.block()
        except DecodeError as error:
            raise CommandError(f"no command: {error}", "malformed") from None
        if version > self.version:
            raise _too_new(version, self.version)
        if version > self.knows:
            raise UpgradeNeeded("version", version, self.knows)
        kind = self._by_head.get(data[: reader.at])
        if kind is None:
            raise CommandError(f"there is no such command of version {version}", "unknown")
        return kind

    def apply(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Decode the commands, and apply each by its method."""
        answers: list[Any] = []
        for command in commands:
            try:
                kind, values = self._decode(command.data)
                answers.append(getattr(self, kind.handler)(_made(kind, values), command))
            except CommandError as refused:
                answers.append(CommandError(refused.text, refused.reason))
            except (MachineFailed, UpgradeNeeded):
                raise
            except Exception as error:
                raise failed(command, command, error) from error
        return answers


def _made(kind: _Kind, values: Any) -> Any:
    try:
        return kind.make(*values)
    except ValueError:
        # The dataclass itself has refused the values, in its __post_init__.
        raise _malformed(kind) from None


def _malformed(kind: _Kind) -> CommandError:
    # Without the library's reason, whose text may differ from member to member.
    return CommandError(f"the command {kind.name} is malformed", "malformed")


def _too_new(version: int, present: int) -> CommandError:
    return CommandError(f"the command is of version {version}, and the group of version {present}", "version")


def pack(value: Any) -> bytes:
    """Encode plain data as MessagePack, for the captures of machines. `unpack` returns it, with tuples as lists."""
    return msgspec.msgpack.encode(value)


def unpack(data: bytes, type: Any = Any) -> Any:
    """Decode MessagePack; msgspec.ValidationError if the value is not of this type."""
    return msgspec.msgpack.decode(data, type=type)
