"""A leader's news of a commit waits for the next entries, for a moment."""

import asyncio
from collections.abc import Callable
from typing import Any

from raftcy.replica.latecommits import LateCommits
from raftcy.wire.enums import MessageType
from raftcy.wire.messages import Entry, Message
from tests.support.hosts import World, followers_of, leader_of, ledger, tuned
from tests.support.virtual import run_virtually


class Loop:
    """Callbacks in rounds, as an event loop runs them."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def call_soon(self, act: Callable[..., Any], *arguments: Any) -> None:
        self.waiting.append((act, arguments))

    def round(self) -> None:
        waiting, self.waiting = self.waiting, []
        for act, arguments in waiting:
            act(*arguments)


def append(to: int, *entries: Entry, commit: int = 5) -> Message:
    return Message(type=MessageType.MSG_APP, to=to, term=1, index=5, commit=commit, entries=list(entries))


def made() -> tuple[Loop, list[Message], LateCommits]:
    loop, sent = Loop(), list[Message]()

    class Member:
        call_soon = loop.call_soon

        def send_late(self, held: list[Message]) -> None:
            sent.extend(held)

    return loop, sent, LateCommits(Member())


def test_without_waiting_callers_everything_leaves_at_once() -> None:
    loop, _, late = made()
    messages = [append(2), append(3)]
    assert late.sift(messages, False) is messages
    assert loop.waiting == []


def test_a_commit_is_held_for_three_rounds_at_most() -> None:
    loop, sent, late = made()
    beat = Message(type=MessageType.MSG_HEARTBEAT, to=2, term=1)
    assert late.sift([append(2), beat, append(3)], True) == [beat]
    loop.round()
    loop.round()
    assert sent == []
    loop.round()
    assert [m.to for m in sent] == [2, 3]
    assert loop.waiting == []


def test_the_next_entries_replace_it() -> None:
    loop, sent, late = made()
    late.sift([append(2), append(3)], True)
    entries = append(2, Entry(term=1, index=6, data=b"x"))
    assert late.sift([entries], True) == [entries]
    for _ in range(3):
        loop.round()
    assert [m.to for m in sent] == [3]


def test_a_later_commit_replaces_an_earlier_one() -> None:
    loop, sent, late = made()
    late.sift([append(2, commit=5)], True)
    late.sift([append(2, commit=6)], True)
    # The last caller has its answer, so nobody will propose.
    last = append(2, commit=7)
    assert late.sift([last], False) == [last]
    for _ in range(3):
        loop.round()
    assert sent == []
    assert late.sift([append(2, commit=8)], True) == []
    for _ in range(3):
        loop.round()
    assert [m.commit for m in sent] == [8]


def appends(world: World) -> int:
    return sum(1 for _, _, m in world.sent if m.type == MessageType.MSG_APP)


def test_commands_in_a_row_take_one_append_each_to_a_peer() -> None:
    async def story() -> None:
        # The answers to heartbeats bring appends of their own.
        world = World(3, tuned(tick_ms=1_000, election_ms=10_000))
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            await leader.propose(b"first")
            before = appends(world)
            for _ in range(20):
                await leader.propose(b"next")
            assert appends(world) - before == 2 * 20

    run_virtually(story())


def test_the_others_learn_of_the_last_commit_without_another_command() -> None:
    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            waiting = [leader.propose(b"%d" % n) for n in range(3)]
            await asyncio.gather(*waiting)
            # Far less than a heartbeat's time: the messages of this network take a millisecond.
            await asyncio.sleep(0.002)
            for follower in followers_of(replicas):
                assert ledger(follower) == ["0", "1", "2"]

    run_virtually(story())
