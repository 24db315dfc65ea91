"""The queue of one peer against a plain list: bytes, confirmations and what is lost."""

from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st

from tests.support.values import load

sizes = st.one_of(st.integers(0, 50), st.sampled_from([(1 << 18) - 1, 1 << 18, (1 << 18) + 1, 600_000]))
actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3), sizes, st.booleans()),
        st.tuples(st.sampled_from(["piece", "ping", "pong", "lose"])),
    ),
    max_size=40,
)


@given(steps=actions)
def test_against_a_list(build: ModuleType, steps: list[tuple[str, ...]]) -> None:
    packets = load(build, "transport.packets")
    queue = load(build, "transport.sendqueue").SendQueue(10, 1_000_000)
    waiting: list[tuple[int, bytes, bool]] = []
    stream, expected = b"", b""
    # Written and not confirmed: the token that confirms it, its group, whether it is a snapshot.
    written: list[tuple[int, int, bool]] = []
    for step in steps:
        if step[0] == "put":
            _, group, size, snapshot = step
            data = bytes([group]) * int(size)
            room = len(waiting) < 11 and (
                not any(each for _, each, _ in waiting)
                or sum(len(each) for _, each, _ in waiting) + len(data) <= 1_000_000
            )
            if queue.put(group, data, snapshot):
                assert room
                waiting.append((group, data, snapshot))
                expected += packets.message_head(group, len(data)) + data
        elif step[0] == "piece":
            before = queue.written_messages
            piece = queue.next_piece()
            if piece is None:
                assert not waiting
                continue
            data, ends_snapshot = piece
            assert 0 < len(data) <= (1 << 19) + 200
            stream += data
            done, waiting = waiting[: queue.written_messages - before], waiting[queue.written_messages - before :]
            written += [(queue.token + 1, group, snapshot) for group, _, snapshot in done]
            assert ends_snapshot == bool(done and done[-1][2])
            assert not any(snapshot for _, _, snapshot in done[:-1])
            if ends_snapshot:
                assert queue.next_token() == queue.token
        elif step[0] == "ping" and not queue.is_within_message:
            queue.next_token()
        elif step[0] == "pong":
            arrived = queue.confirm(queue.token)
            assert arrived == [group for token, group, snapshot in written if snapshot and token <= queue.token]
            written = [each for each in written if each[0] > queue.token]
        elif step[0] == "lose":
            lost = queue.give_up()
            assert lost.messages == len(waiting)
            gone = [(group, snapshot) for _, group, snapshot in written]
            gone += [(group, snapshot) for group, _, snapshot in waiting]
            assert sorted(lost.snapshots) == sorted(group for group, snapshot in gone if snapshot)
            assert set(lost.groups) >= {group for group, _ in gone}
            waiting, written = [], []
            stream = expected = b""
            assert len(queue) == queue.queued_bytes == 0
        assert expected.startswith(stream)
        assert len(queue) == len(waiting)
        assert queue.queued_bytes == sum(len(each) for _, each, _ in waiting)
    while (piece := queue.next_piece()) is not None:
        stream += piece[0]
        if piece[1]:
            queue.next_token()
    assert stream == expected


def test_groups_that_were_confirmed_are_not_lost(build: ModuleType) -> None:
    queue = load(build, "transport.sendqueue").SendQueue(10, 1000)
    queue.put(1, b"a", False)
    queue.next_piece()
    first = queue.next_token()
    queue.put(2, b"b", False)
    queue.next_piece()
    assert queue.confirm(first) == []
    assert queue.is_unconfirmed
    assert queue.give_up().groups == [2]
    assert not queue.is_unconfirmed
    assert queue.give_up() == (0, [], [])
