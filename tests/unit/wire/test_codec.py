"""Properties of the encoding, in each build."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import naive_codec as naive
from tests.support.values import (
    CODEC_NAMES,
    KINDS,
    class_of,
    codec,
    decode,
    encode,
    field,
    kinds_and_recipes,
    load,
    make,
    odd_bytes,
    recipes,
)

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


def fields_of(build: ModuleType, value: Any) -> dict[str, Any]:
    return load(build, "rafttest.vectors").fields_of(value)


@given(case=kinds_and_recipes)
def test_decoding_gives_back_what_was_encoded(build: ModuleType, case: tuple[str, dict[str, Any]]) -> None:
    kind, recipe = case
    value = make(build, kind, recipe)
    data = encode(build, kind, value)
    again = decode(build, kind, data)
    assert again == value
    assert hash(again) == hash(value)
    assert [again.has(name) for name in value.__match_args__] == [value.has(name) for name in value.__match_args__]
    assert encode(build, kind, again) == data
    assert (value.encode(), type(value).decode(data)) == (data, value)


@given(case=kinds_and_recipes)
def test_presence_is_by_what_was_given(build: ModuleType, case: tuple[str, dict[str, Any]]) -> None:
    kind, recipe = case
    value = decode(build, kind, encode(build, kind, make(build, kind, recipe)))
    for name in value.__match_args__:
        assert value.has(name) == (name in recipe and recipe[name] != [])


@settings(max_examples=400)
@given(case=odd_bytes)
def test_reading_agrees_with_a_naive_reader(build: ModuleType, case: tuple[str, bytes]) -> None:
    kind, data = case
    errors = load(build, "errors")
    try:
        wanted = naive.read(kind, data)
    except naive.Refused:
        with pytest.raises(errors.DecodeError) as caught:
            decode(build, kind, data)
        assert type(caught.value.offset) is int
        assert 0 <= caught.value.offset < len(data)
        return
    value = decode(build, kind, data)
    assert fields_of(build, value) == wanted
    # The written bytes decode to the same value, and encode the same again.
    written = encode(build, kind, value)
    assert encode(build, kind, decode(build, kind, written)) == written


@given(case=odd_bytes, after=st.binary(min_size=1, max_size=12))
def test_reading_looks_at_nothing_beyond_the_end(build: ModuleType, case: tuple[str, bytes], after: bytes) -> None:
    """Bytes behind the buffer make no difference."""
    kind, data = case
    errors = load(build, "errors")

    def result(buffer: Any) -> Any:
        try:
            return decode(build, kind, buffer).encode()
        except errors.DecodeError as error:
            return error.args

    assert result(memoryview(data + after)[: len(data)]) == result(data)


@given(data=st.data())
def test_fields_in_any_order(build: ModuleType, data: st.DataObject) -> None:
    """An encoding whose fields are put together in another order gives the same value, which encodes as usual."""
    kind = data.draw(st.sampled_from(["Entry", "HardState", "SnapshotMetadata", "Snapshot", "ConfChange"]))
    value = make(build, kind, data.draw(recipes(kind)))
    single = [type(value)(**{name: getattr(value, name)}).encode() for name in value.__match_args__ if value.has(name)]
    shuffled = b"".join(data.draw(st.permutations(single)))
    assert decode(build, kind, shuffled) == value
    assert encode(build, kind, decode(build, kind, shuffled)) == encode(build, kind, value)


@given(first=recipes("Snapshot"), second=recipes("Snapshot"))
def test_pieces_of_a_submessage_are_one(build: ModuleType, first: dict[str, Any], second: dict[str, Any]) -> None:
    """A submessage in two pieces decodes to both together."""
    one, two = (make(build, "Snapshot", recipe).encode() for recipe in (first, second))
    in_pieces = decode(build, "Message", field(9, one) + b"\x08\x07" + field(9, two))
    assert in_pieces.snapshot == decode(build, "Snapshot", one + two)
    assert in_pieces.encode() == b"\x08\x07" + field(9, decode(build, "Snapshot", one + two).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_every_buffer_is_read(build: ModuleType, kind: str) -> None:
    import array
    import ctypes

    data = b"\x08\x05\x10\x07" + b"\x28\x00" * 2
    wanted = decode(build, kind, data)
    buffers = [bytearray(data), memoryview(data), memoryview(b"x" + data + b"y")[1:-1], array.array("B", data)]
    buffers += [array.array("I", data), (ctypes.c_char * 8)(*data), memoryview(data).cast("B", (2, 4))]
    buffers += [memoryview(array.array("Q", data)), (ctypes.c_uint16 * 4).from_buffer_copy(data)]
    for buffer in buffers:
        assert decode(build, kind, buffer) == wanted
        assert decode(build, kind, buffer).encode() == wanted.encode()
    assert decode(build, kind, bytearray()) == class_of(build, kind)()


@pytest.mark.parametrize("kind", KINDS)
def test_anything_but_a_buffer_is_a_type_error(build: ModuleType, kind: str) -> None:
    for wrong in ("text", None, 5, [1, 2], memoryview(b"abcdef")[::2]):
        with pytest.raises(TypeError) as caught:
            decode(build, kind, wrong)
        assert str(caught.value) == f"data must be bytes or another contiguous buffer, not {type(wrong).__name__}"
    released = memoryview(b"abc")
    released.release()
    with pytest.raises(ValueError, match="released memoryview"):
        decode(build, kind, released)


@pytest.mark.parametrize("kind", KINDS)
def test_anything_but_a_value_is_a_type_error(build: ModuleType, kind: str) -> None:
    other = class_of(build, "ConfState" if kind != "ConfState" else "Entry")()
    for wrong in ("text", None, b"", other):
        with pytest.raises(TypeError) as caught:
            encode(build, kind, wrong)
        assert str(caught.value) == f"value must be of {kind}, not {type(wrong).__name__}"


def test_a_list_that_holds_anything_else_is_a_type_error(build: ModuleType) -> None:
    """The lists of a message are the core's own, so nothing keeps a program from spoiling one."""
    message = class_of(build, "Message")
    entry = class_of(build, "Entry")
    for name, right, wrong in (("entries", entry(), message()), ("responses", message(), entry())):
        value = message(**{name: [right]})
        getattr(value, name).append(wrong)
        with pytest.raises(TypeError, match=f"value must be of {type(right).__name__}, not {type(wrong).__name__}"):
            value.encode()


def test_an_input_is_not_kept(build: ModuleType) -> None:
    """Values do not change when the buffer changes from which they were decoded."""
    data = bytearray(field(4, b"first") + b"\x30\x01")
    entry = decode(build, "Entry", data)
    data[:] = bytes(len(data))
    assert (entry.data, entry.encode()) == (b"first", field(4, b"first") + b"\x30\x01")
    data.clear()


def test_numbers_of_the_codec(build: ModuleType) -> None:
    assert (codec(build).MAX_DEPTH, codec(build).MAX_SIZE) == (100, 2**31 - 1)
    assert len(CODEC_NAMES) == 9


def test_sizes_around_what_fits_on_the_stack(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    """The compiled build encodes short and long messages in different ways, and nested ones in both."""
    for size in [*range(16_340, 16_400), 40_000]:
        recipe: dict[str, Any] = {"type": 3, "entries": [{"term": 1, "index": 7, "data": bytes(size)}], "commit": 9}
        data = encode(raftcy_pure, "Message", make(raftcy_pure, "Message", recipe))
        assert encode(raftcy, "Message", make(raftcy, "Message", recipe)) == data
    recipe = {"snapshot": {"metadata": {"conf_state": {"voters": [1]}}}, "entries": [{"term": 1}]}
    for _ in range(97):
        data = encode(raftcy_pure, "Message", make(raftcy_pure, "Message", recipe))
        assert encode(raftcy, "Message", make(raftcy, "Message", recipe)) == data
        recipe = {"responses": [recipe], "term": 2}
