"""The hub that brings events to watchers, without a queue of its own.

Rules:

- A watcher is in step, or behind. One in step has been sent everything up to the store's revision, and hears of each
  write as it happens. One that is behind reads on from the store's history, from ``min_revision``, in steps.
- Nothing is queued for a watcher. If its sink takes no more, it falls behind, and reads on once the sink is writable
  again. So a slow client costs no memory, only its place: once a compaction passes it, its watch is cancelled.
- The events of one revision go out together, unless the watch asked for fragments. Each event reaches a watch once.
- ``created`` is the first answer of a watch, and ``canceled`` the last.
- Events are encoded once for all watchers of the same range and flavour.
"""

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Final, Protocol

from ..errors import InvariantError
from . import schema
from .items import FRAMED, KEY, MOD, Item
from .keyindex import ALL_FROM
from .pages import Pages
from .refusals import refused
from .store import Store
from .watchanswers import INVALID_ID, Flavour, Fragmenter, control, encode, fragments, watch_id_of
from .watchranges import WatchRanges

STEP_EVENTS: Final = 1000  # events that are looked at in one step
STEP_BYTES: Final = 1 << 20  # of events that are sent together to a watcher that is behind, beyond one revision
STEP_WATCHERS: Final = 512  # that read on together
TOGETHER_BYTES: Final = 32 << 10  # of answers to watches of one stream that leave in one call


class Sink(Protocol):
    """Where the answers of one stream of watches go."""

    @property
    def is_writable(self) -> bool:
        """Whether it takes events now. Once it does not, it calls `WatchStream.writable` when it does again."""

    def send(self, data: bytes | list[bytes], /) -> object:
        """Take one encoded WatchResponse, in pieces if it is long.

        Answers that are no events come whether it is writable or not.
        """

    def send_each(self, answers: list[bytes], /) -> object:
        """Take several encoded WatchResponses, of `TOGETHER_BYTES` at most."""


class _Watcher:
    """One watch. ``min_revision`` is the first one of which it has not had the events."""

    __slots__ = (
        *("end", "flavour", "fragment", "head", "id", "is_quiet", "key"),
        *("min_revision", "stream", "wants_progress"),
    )

    def __init__(self, stream: "WatchStream", request: schema.WatchCreateRequest, key: bytes, watch_id: int) -> None:
        self.stream = stream
        self.id = watch_id
        self.head = watch_id_of(watch_id)
        self.key = key
        self.end = request.range_end
        kinds = schema.WatchCreateRequest
        filters = set(request.filters)
        self.flavour = Flavour(kinds.NOPUT not in filters, kinds.NODELETE not in filters, request.prev_kv)
        self.fragment = request.fragment
        self.wants_progress = request.progress_notify
        self.is_quiet = True  # no events since the last regular news of progress
        self.min_revision = 0


class _Group:
    """Watchers of one range and flavour, and the events that wait for the end of their revision."""

    __slots__ = ("before", "events", "flavour", "streams")

    def __init__(self, flavour: Flavour) -> None:
        self.flavour = flavour
        self.streams: dict[WatchStream, dict[_Watcher, None]] = {}
        self.before = Pages()  # of very many events the first ones
        self.events: list[Item] = []

    @property
    def watchers(self) -> list[_Watcher]:
        """The watchers, those of a stream one after the other."""
        return [watcher for watchers in self.streams.values() for watcher in watchers]

    def settle(self) -> None:
        """Put away the events that are there, so that nobody has to look at them again."""
        self.before.extend(self.events)
        self.events = []

    def since(self, revision: int) -> Iterator[Sequence[Item]]:
        """The events from a revision on, in pages that are not empty."""
        mark = (revision,)
        for page in (*self.before.pages(), self.events):
            if page and page[-1] >= mark:
                yield page if page[0] >= mark else page[bisect_left(page, mark) :]


class _Groups:
    """Groups by range, and in it by flavour."""

    __slots__ = ("_ranges",)

    def __init__(self, watchers: Iterable[_Watcher] = ()) -> None:
        self._ranges: WatchRanges[dict[Flavour, _Group]] = WatchRanges()
        for watcher in watchers:
            self.add(watcher)

    def add(self, watcher: _Watcher) -> None:
        groups = self._ranges.get(watcher.key, watcher.end)
        if groups is None:
            groups = {}
            self._ranges.add(watcher.key, watcher.end, groups)
        if watcher.flavour not in groups:
            groups[watcher.flavour] = _Group(watcher.flavour)
        groups[watcher.flavour].streams.setdefault(watcher.stream, {})[watcher] = None

    def remove(self, watcher: _Watcher) -> None:
        groups = self._ranges.get(watcher.key, watcher.end)
        if groups is None:
            raise InvariantError("a watcher is in step and in no group")
        streams = groups[watcher.flavour].streams
        watchers = streams[watcher.stream]
        del watchers[watcher]
        if not watchers:
            del streams[watcher.stream]
        if not streams:
            del groups[watcher.flavour]
            if not groups:
                self._ranges.remove(watcher.key, watcher.end)

    def take(self, items: Iterable[Item], touched: dict[_Group, None]) -> None:
        """Give each group the events of its range, and note which groups have some."""
        find = self._ranges.find
        for item in items:
            for groups in find(item[KEY]):
                for group in groups.values():
                    group.events.append(item)
                    touched[group] = None


class WatchStream:
    """The watches of one client stream."""

    __slots__ = ("_hub", "_next_id", "_wants_progress", "_watchers", "sink", "waiting")

    def __init__(self, hub: "WatchHub", sink: Sink) -> None:
        self._hub = hub
        self.sink = sink
        self._watchers: dict[int, _Watcher] = {}
        self._next_id = 0
        self._wants_progress = False
        self.waiting: dict[_Watcher, None] = {}  # those that are behind until the sink is writable

    def __len__(self) -> int:
        return len(self._watchers)

    def create(self, request: schema.WatchCreateRequest) -> None:
        """Begin a watch. If it is refused, the answer is both created and canceled, and says why."""
        hub = self._hub
        key = request.key or b"\0"
        if request.start_revision < 0:
            return self._refuse(refused("COMPACTED").text)
        end = request.range_end
        if end and end != ALL_FROM and key >= end:
            return self._refuse("mvcc: watcher range is empty")
        watch_id = request.watch_id
        if watch_id == 0:
            while self._next_id in self._watchers:
                self._next_id += 1
            watch_id = self._next_id
            self._next_id += 1
        elif watch_id in self._watchers:
            return self._refuse("mvcc: duplicate watch ID provided on the WatchStream")
        watcher = _Watcher(self, request, key, watch_id)
        self._watchers[watch_id] = watcher
        self.answer(control(watch_id, created=True))
        hub.begin(watcher, request.start_revision)
        return None

    def _refuse(self, why: str) -> None:
        self.answer(control(INVALID_ID, created=True, canceled=True, why=why))

    def cancel(self, watch_id: int) -> None:
        """End a watch. One that is not there gets no answer."""
        watcher = self._watchers.pop(watch_id, None)
        if watcher is not None:
            self._hub.forget(watcher)
            self.answer(control(watch_id, canceled=True))
            self._tell_progress()

    def request_progress(self) -> None:
        """Tell the stream its revision, by an answer of watch -1, as soon as all its watches are in step."""
        self._wants_progress = True
        self._tell_progress()

    def writable(self) -> None:
        """The sink takes events again."""
        waiting, self.waiting = self.waiting, {}
        self._hub.resume(waiting)

    def close(self) -> None:
        """End all watches without an answer."""
        for watcher in self._watchers.values():
            self._hub.forget(watcher)
        self._watchers.clear()
        self._wants_progress = False
        self._hub.forget_stream(self)

    def answer(self, body: bytes) -> None:
        """Send an answer without events."""
        self.sink.send(self._hub.header(self._hub.store.revision) + body)

    def compacted(self, watcher: _Watcher, revision: int) -> None:
        """A compaction has passed a watch that was behind: it cannot have all events any more, and ends."""
        del self._watchers[watcher.id]
        # As in etcd, this header has no revision.
        self.sink.send(self._hub.header(0) + control(watcher.id, canceled=True, compacted=revision))
        self._tell_progress()

    def in_step(self) -> None:
        """One of the watches is in step again."""
        if self._wants_progress:
            self._tell_progress()

    def _tell_progress(self) -> None:
        watchers = self._watchers.values()
        if self._wants_progress and watchers and all(map(self._hub.has_told, watchers)):
            self._wants_progress = False
            self.answer(control(INVALID_ID))

    def regular_progress(self) -> None:
        """Tell each watch that wants it, is in step and has had no events since the last time how far it is."""
        for watcher in list(self._watchers.values()):
            if watcher.wants_progress:
                if watcher.is_quiet and self._hub.has_told(watcher):
                    self.answer(control(watcher.id))
                watcher.is_quiet = True


class WatchHub:
    """All watchers of a member.

    ``header`` returns the encoded header field for a revision: tag, length and ResponseHeader. ``max_bytes`` bounds the
    fragments of watches that ask for them.
    """

    def __init__(self, store: Store, header: Callable[[int], bytes], *, max_bytes: int) -> None:
        self.store = store
        self.header = header
        self._max_bytes = max_bytes
        self._streams: dict[WatchStream, None] = {}
        self._groups = _Groups()
        self._in_step: dict[_Watcher, None] = {}
        self._behind: dict[_Watcher, None] = {}  # the sinks of these take events, as far as is known
        self._told = store.revision  # what all watchers in step have been sent, if it is not before their beginning
        self._job: Generator[None, None, None] | None = None
        self.events: int = 0
        """How many events were sent, each once for each watcher."""

    @property
    def has_work(self) -> bool:
        """Whether `work` would bring somebody forward."""
        return self._job is not None or bool(self._behind)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many streams and watchers there are, and how many of the watchers are behind."""
        watchers = sum(map(len, self._streams))
        return len(self._streams), watchers, watchers - len(self._in_step)

    def stream(self, sink: Sink) -> WatchStream:
        """Begin a stream of watches."""
        stream = WatchStream(self, sink)
        self._streams[stream] = None
        return stream

    # -- for streams --

    def begin(self, watcher: _Watcher, start_revision: int) -> None:
        """A watch begins at a revision, 0 for the next one."""
        now = self.store.revision
        watcher.min_revision = start_revision or now + 1
        if watcher.min_revision > now:
            self._step_in(watcher)
        else:
            self._behind[watcher] = None

    def forget(self, watcher: _Watcher) -> None:
        """A watch has ended."""
        if watcher in self._in_step:
            self._step_out(watcher)
        self._behind.pop(watcher, None)
        watcher.stream.waiting.pop(watcher, None)

    def forget_stream(self, stream: WatchStream) -> None:
        """A stream has ended."""
        self._streams.pop(stream, None)

    def resume(self, watchers: Iterable[_Watcher]) -> None:
        """The sink of these watchers takes events again."""
        self._behind.update(dict.fromkeys(watchers))

    def has_told(self, watcher: _Watcher) -> bool:
        """Whether a watch has had all events, and its beginning is not in the future."""
        return watcher in self._in_step and watcher.min_revision <= self.store.revision + 1

    def _step_in(self, watcher: _Watcher) -> None:
        self._in_step[watcher] = None
        self._groups.add(watcher)

    def _step_out(self, watcher: _Watcher) -> None:
        del self._in_step[watcher]
        self._groups.remove(watcher)

    # -- for the member --

    def notify(self, events: Sequence[Item] | Pages) -> None:
        """Send the events of one write transaction, right after it has ended, to all watchers that are in step."""
        if not events:
            return
        self._told = revision = events[0][MOD]
        if not self._in_step:
            return
        if len(events) > STEP_EVENTS:  # too much for one step: everybody reads them from the history
            for watcher in list(self._in_step):
                if watcher.min_revision <= revision:
                    self._fall_behind(watcher, revision, self._behind)
            return
        touched: dict[_Group, None] = {}
        self._groups.take(events, touched)
        header = self.header(revision) if touched else b""
        for group in touched:
            self._notify_group(group, revision, header)

    def _notify_group(self, group: _Group, revision: int, header: bytes) -> None:
        """Send the events of one revision to the watchers of a group."""
        items, group.events = group.events, []
        encoded = encode(items, group.flavour, self.store.history)
        if not encoded:
            return
        body = b"".join(encoded)
        most = self._most_together(len(header) + len(body))
        for stream, watchers in list(group.streams.items()):
            line = list(watchers)
            for start in range(0, len(line), most):
                # Sending may have ended some of them.
                part = [w for w in line[start : start + most] if w.min_revision <= revision and w in watchers]
                if not stream.sink.is_writable:
                    for watcher in part:
                        self._fall_behind(watcher, revision, stream.waiting)
                    continue
                for watcher in part:
                    watcher.is_quiet = False
                self.events += len(part) * len(encoded)
                if most > 1:
                    stream.sink.send_each([header + watcher.head + body for watcher in part])
                elif part:
                    self._send_events(part[0], header, body, encoded)

    def _most_together(self, size: int) -> int:
        """How many answers of this size leave in one call, 1 if they leave one by one, maybe in fragments."""
        # What names the watch has less than 16 bytes.
        return max(1, min(TOGETHER_BYTES, self._max_bytes) // (size + 16))

    def _send_events(self, watcher: _Watcher, header: bytes, body: bytes, encoded: list[bytes]) -> None:
        head = header + watcher.head
        if watcher.fragment and len(head) + len(body) >= self._max_bytes:
            for each in fragments(encoded, self._max_bytes - len(head)):
                watcher.stream.sink.send(head + each)
        else:
            watcher.stream.sink.send(head + body)

    def _fall_behind(self, watcher: _Watcher, revision: int, where: dict[_Watcher, None]) -> None:
        self._step_out(watcher)
        watcher.min_revision = max(watcher.min_revision, revision)
        where[watcher] = None

    def _send_pages(self, watcher: _Watcher, header: bytes, pages: list[bytes], bodies: list[bytes]) -> None:
        """Send very many events: ``pages`` are the encoded events, ``bodies`` the same for watches with fragments."""
        if watcher.fragment and len(bodies) > 1:
            for each in bodies:
                watcher.stream.sink.send(header + watcher.head + each)
        else:
            watcher.stream.sink.send([header + watcher.head, *pages])

    def work(self) -> bool:
        """Bring watchers that are behind a step forward, for a few milliseconds; whether more remains."""
        if self._job is None and self._behind:
            self._job = self._read_on()
        if self._job is not None:
            try:
                next(self._job)
            except StopIteration:
                self._job = None
        return self.has_work

    def progress_due(self) -> None:
        """Send the regular news of progress. Call it every ten minutes."""
        for stream in list(self._streams):
            stream.regular_progress()

    def restored(self) -> None:
        """The store has become that of a snapshot: all watchers read on from its history."""
        self._job = None
        told, self._told = self._told, self.store.revision
        for watcher in list(self._in_step):
            if watcher.min_revision <= self.store.revision:
                self._fall_behind(watcher, told + 1, self._behind)

    def _choose(self) -> list[_Watcher]:
        """Watchers that read on together: the one that has waited longest, and those that are near it or further on."""
        chosen: list[_Watcher] = []
        compacted = self.store.compacted
        for watcher in list(islice(self._behind, STEP_WATCHERS)):
            if not watcher.stream.sink.is_writable:
                del self._behind[watcher]
                watcher.stream.waiting[watcher] = None
            elif watcher.min_revision < compacted:
                del self._behind[watcher]
                watcher.stream.compacted(watcher, compacted)
            elif not chosen or watcher.min_revision >= chosen[0].min_revision:
                chosen.append(watcher)
        return chosen

    def _read_on(self) -> Generator[None, None, None]:
        """Send some watchers the next events from the history, whole revisions of them."""
        chosen = dict.fromkeys(self._choose())
        if not chosen:
            return
        start, goal = next(iter(chosen)).min_revision, self.store.revision
        groups, touched = _Groups(chosen), dict[_Group, None]()
        portion: list[Item] = []
        size = last = 0
        for count, item in enumerate(self.store.history.log.walk(start)):
            revision = item[MOD]
            if revision != last:
                if revision > goal:
                    break
                if count >= STEP_EVENTS or size >= STEP_BYTES:
                    goal = last
                    break
                last = revision
            portion.append(item)
            size += len(item[FRAMED])
            if len(portion) >= STEP_EVENTS:
                groups.take(portion, touched)
                portion = []
                for group in touched:
                    group.settle()
                yield
                if self.store.compacted > start:
                    return  # the log may have been cut behind us; those that are still in it begin again
        groups.take(portion, touched)
        for group in touched:
            yield from self._deliver(group, chosen)
        for watcher in chosen:
            self._arrive(watcher, goal)

    def _deliver(self, group: _Group, chosen: dict[_Watcher, None]) -> Generator[None, None, None]:
        """Send the watchers of a group its events. Those that cannot be sent them are no longer among the chosen."""
        by_start: dict[int, list[_Watcher]] = {}
        for watcher in group.watchers:
            by_start.setdefault(watcher.min_revision, []).append(watcher)
        for start, watchers in by_start.items():
            header = self.header(self.store.revision)
            head_bytes = len(header) + max(len(watcher.head) for watcher in watchers)
            fragmenter = Fragmenter(self._max_bytes - head_bytes)
            needs_each = any(watcher.fragment for watcher in watchers)
            pages: list[bytes] = []
            count = 0
            for number, items in enumerate(group.since(start)):
                if number:
                    yield
                events = encode(items, group.flavour, self.store.history)
                count += len(events)
                if events:
                    pages.append(b"".join(events))
                if needs_each:
                    fragmenter.add(events)
            bodies = fragmenter.end() if needs_each else []
            if pages:
                self.events += count * self._hand_out(watchers, chosen, header, pages, bodies)
        for number, _ in enumerate(group.before.drain(), 1):
            if number % 16 == 0:
                yield

    def _hand_out(
        self,
        watchers: list[_Watcher],
        chosen: dict[_Watcher, None],
        header: bytes,
        pages: list[bytes],
        bodies: list[bytes],
    ) -> int:
        """Send watchers the same events, to those of one stream together if the events are few; to how many."""
        sent = 0
        most = self._most_together(len(header) + sum(map(len, pages)))
        for stream, line in groupby(watchers, key=attrgetter("stream")):
            reading = list(line)
            for at in range(0, len(reading), most):
                # Sending may have ended some of them.
                part = [watcher for watcher in reading[at : at + most] if watcher in self._behind]
                if not stream.sink.is_writable:
                    for watcher in part:
                        del chosen[watcher], self._behind[watcher]
                        stream.waiting[watcher] = None
                    continue
                for watcher in part:
                    watcher.is_quiet = False
                sent += len(part)
                if most > 1:
                    stream.sink.send_each([b"".join((header, watcher.head, *pages)) for watcher in part])
                elif part:
                    self._send_pages(part[0], header, pages, bodies)
        return sent

    def _arrive(self, watcher: _Watcher, goal: int) -> None:
        """A watcher has had everything up to a revision."""
        if watcher not in self._behind:
            return
        del self._behind[watcher]
        watcher.min_revision = max(watcher.min_revision, goal + 1)
        if watcher.min_revision > self.store.revision:
            self._step_in(watcher)
            watcher.stream.in_step()
        else:
            self._behind[watcher] = None  # after all others that wait
