"""The file of a snapshot: every byte of it is checked before a machine reads it."""

import io
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.machines import module


def written(build: ModuleType, head: bytes, *parts: bytes) -> bytes:
    file = io.BytesIO()
    writer = module(build, "statefile").StateWriter(file)
    writer.write(head)
    writer.end()
    for part in parts:
        writer.write(part)
    writer.end()
    return file.getvalue()


def read(build: ModuleType, data: bytes) -> tuple[bytes, bytes]:
    reader = module(build, "statefile").StateReader(io.BytesIO(data))
    found = reader.head, reader.read()
    reader.finish()
    return found


@given(head=st.binary(max_size=20), parts=st.lists(st.binary(max_size=50), max_size=8))
def test_round_trip(build: ModuleType, head: bytes, parts: list[bytes]) -> None:
    data = written(build, head, *parts)
    assert read(build, data) == (head, b"".join(parts))
    # The same bytes, however the machine cuts them.
    assert written(build, head, b"".join(parts)) == data


def test_the_format(build: ModuleType) -> None:
    data = written(build, b"head", b"body")
    told = "726166746379736d 01000000 04000000 f9914f1f 68656164 00000000 a4ea7c16 04000000 3d538aca"
    told += " 626f6479 00000000 cf29a08a"
    assert data == bytes.fromhex(told)


def test_large_pieces(build: ModuleType) -> None:
    piece = module(build, "statefile").PIECE_BYTES
    for size in (piece - 1, piece, piece + 1, 3 * piece + 5):
        large = bytes(size)
        assert read(build, written(build, large, b"body")) == (large, b"body")
        body = bytes(range(256)) * (size // 256 + 1)
        body = body[:size]
        assert read(build, written(build, b"h", body)) == (b"h", body)
        reader = module(build, "statefile").StateReader(io.BytesIO(written(build, b"h", body)))
        parts = [reader.read(1000)]
        while parts[-1]:
            parts.append(reader.read(1000))
        assert b"".join(parts) == body
        assert all(len(part) == 1000 for part in parts[:-2])


def test_every_byte_counts(build: ModuleType) -> None:
    """Flipped, left out, doubled, cut off: said, and never read as another state."""
    good = written(build, b"the head", b"x" * 300)
    bad = [good[:at] for at in range(len(good))]
    bad += [good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :] for at in range(len(good))]
    bad += [good[:at] + good[at + 1 :] for at in range(len(good))]
    bad += [good + b"x", good + good]
    for data in bad:
        if data != good:
            with pytest.raises((build.Corruption, build.UpgradeNeeded)):
                read(build, data)


def test_pieces_must_keep_their_places(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module(build, "statefile"), "PIECE_BYTES", 16)
    good = written(build, b"head", b"a" * 16, b"b" * 16, b"c" * 16)
    begin, size = 12 + 8 + 4 + 8, 8 + 16
    pieces = [good[begin + n * size : begin + (n + 1) * size] for n in range(3)]
    end = good[begin + 3 * size :]
    assert good == good[:begin] + b"".join(pieces) + end
    for order in ((1, 0, 2), (0, 1), (0, 0, 1, 2), (0, 2), (0, 1, 2, 2)):
        with pytest.raises(build.Corruption):
            read(build, good[:begin] + b"".join(pieces[n] for n in order) + end)


def test_damage_is_found_before_it_is_read(build: ModuleType) -> None:
    data = bytearray(written(build, b"head", b"body"))
    data[-10] ^= 1
    reader = module(build, "statefile").StateReader(io.BytesIO(data))
    with pytest.raises(build.Corruption, match="the snapshot is damaged between offsets 32 and 44"):
        reader.read(1)


def test_head_and_body_cannot_be_taken_for_each_other(build: ModuleType) -> None:
    """Though the data is the same, in the same pieces."""
    one, other = written(build, b"ab"), written(build, b"", b"ab")
    assert sorted(map(len, (one, other))) == [len(one)] * 2
    body = one[12:]
    swapped = one[:12] + body[-8:] + body[:-8]
    with pytest.raises(build.Corruption):
        read(build, swapped)


def test_what_is_left_is_said(build: ModuleType) -> None:
    reader = module(build, "statefile").StateReader(io.BytesIO(written(build, b"head", b"body")))
    assert reader.read(3) == b"bod"
    with pytest.raises(build.Corruption, match="has not read the last 1 bytes"):
        reader.finish()


def test_a_later_format_needs_a_newer_program(build: ModuleType) -> None:
    data = bytearray(written(build, b"head"))
    data[8] = 2
    with pytest.raises(build.UpgradeNeeded, match="snapshot format 2 needs a newer program"):
        read(build, bytes(data))


class Slow(io.RawIOBase):
    """Gives a few bytes at a time, as a socket does."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def read(self, size: int = -1) -> Any:
        part, self.rest = self.rest[: min(size, 3)], self.rest[min(size, 3) :]
        return part


def test_short_reads(build: ModuleType) -> None:
    reader = module(build, "statefile").StateReader(Slow(written(build, b"head", b"body" * 100)))
    assert (reader.head, reader.read()) == (b"head", b"body" * 100)
    reader.finish()
