"""One node over TCP that forms clusters with nodes of the reference: ``python -m raftcy.rafttest wirepeer``.

A RawNode with a memory storage and a Transport. Lines of standard input are proposals, or commands if they start with
an exclamation mark; standard output has each committed entry as ``INDEX TERM DATA`` and notes that start with ``#``.
The state that the entries build up is a digest, which is also what a snapshot holds. State is in memory only: a node
must not be restarted under its id, since it would have forgotten its votes.
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, BinaryIO

from ..core.config import Config, Peer
from ..core.log_storage import save_ready
from ..core.rawnode import RawNode
from ..core.ready import Ready
from ..core.storage import MemoryStorage
from ..errors import ConfChangeError, InvariantError, LogLost, ProposalDropped, RaftError, Stopped, StorageFailed
from ..transport import Transport
from ..transport.transport import Address
from ..wire.changes import ConfChange, ConfChangeV2, conf_changes_from_string
from ..wire.enums import EntryType, MessageType, SnapshotStatus
from ..wire.gotext import parse_uint
from ..wire.messages import ConfState, Entry, Message, Snapshot
from .goflags import Flag, FlagError, HelpAsked, parse, usage

_FLAGS = {
    "id": Flag(0, "id of this node"),
    "peers": Flag("", "all nodes, this one included, as 1=127.0.0.1:p1,2=..."),
    "tick": Flag(20, "milliseconds per tick", least=1),
    "election": Flag(10, "election timeout in ticks"),
    "compact": Flag(0, "compact the log each time it has grown by this many applied entries; 0: never"),
    "prevote": Flag(False, "use pre-vote"),
    "checkquorum": Flag(False, "use check-quorum"),
    "inflight": Flag(256, "append messages in flight per follower"),
    "maxsize": Flag(1 << 20, "size limit of one append message in bytes"),
    "v": Flag(False, "log raft's own messages to standard error"),
}
_FATAL = (InvariantError, LogLost, StorageFailed, Stopped)
_CHUNK_BYTES = 1 << 16
_MAX_LINE_BYTES = 64 << 20
# So many proposals in a row, then the rest of the event loop runs.
_STRETCH = 32


class WirePeer:
    """The node: handles all Ready work after each event, prints what it applies, and keeps proposals in their order."""

    def __init__(self, config: Config, storage: MemoryStorage, compact: int, out: BinaryIO) -> None:
        self._loop = asyncio.get_running_loop()
        self._id = config.id
        self._raw = RawNode(config)
        self._storage = storage
        self._compact = compact
        self._out = out
        self.transport: Transport | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()
        """Ends with the node: by ``!quit``, or with the error that it died of."""
        self._conf_state = ConfState()
        self._applied = 0
        self._applied_term = 0
        self._digest = bytes(32)
        self._isolated = False
        self._quits = False
        self._queue: list[bytes] = []
        self._due: asyncio.Handle | None = None

    def bootstrap(self, ids: Sequence[int]) -> None:
        """Begin with these nodes as voters."""
        self._raw.bootstrap([Peer(id) for id in ids])
        self._work_soon()

    def note(self, text: str) -> None:
        """Print a note."""
        self._out.write(f"# {text}\n".encode())

    def tick(self) -> None:
        """Let a tick pass."""
        self._guard(self._raw.tick)
        self._work()

    def line(self, line: bytes) -> None:
        """Take a line of input, without its end."""
        if not line.startswith(b"!"):
            self._queue.append(line)
        else:
            try:
                self._command(line.decode("utf-8", "surrogateescape").split())
            except _FATAL as error:
                self._die(error)
            except (RaftError, ValueError) as error:
                self.note(f"error {error}")
        self._work()
        if self._quits and not self.done.done():
            self.done.set_result(None)

    async def step(self, m: Message) -> None:
        """Take a proposal from another node (Receiver)."""
        await self.step_many([m])

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages from another node (Receiver). Tells itself what it refuses."""
        if self._isolated:
            return []
        try:
            refused = self._raw.step_many(messages)
        except _FATAL as error:
            self._die(error)
            raise Stopped(error) from error
        for place, reason in refused:
            m = messages[place]
            if not isinstance(reason, ProposalDropped):
                sys.stderr.write(f"step {m.type} from {m.from_}: {reason}\n")
        self._work()
        return []

    def report_unreachable(self, id: int) -> None:
        """A message was dropped (Receiver)."""
        self._guard(self._raw.report_unreachable, id)
        self._work_soon()

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """A snapshot was written or dropped (Receiver)."""
        self._guard(self._raw.report_snapshot, id, status)
        self._work_soon()

    def _guard(self, act: Callable[..., object], *args: object) -> None:
        try:
            act(*args)
        except _FATAL as error:
            self._die(error)

    def _die(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def _work_soon(self) -> None:
        """Work after the present event; for events that happen in the middle of the work."""
        if self._due is None:
            self._due = self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Handle all Ready work, then propose what waits, as long as it is taken."""
        self._due = None
        try:
            self._handle_all()
            for _ in range(_STRETCH):
                if not self._queue:
                    break
                self._raw.propose(self._queue[0])
                del self._queue[0]
                self._handle_all()
            if self._queue:
                self._work_soon()
        except ProposalDropped:
            pass
        except _FATAL as error:
            self._die(error)
        self._out.flush()

    def _handle_all(self) -> None:
        while self._raw.has_ready():
            self._handle(self._raw.ready())
            self._raw.advance()
            if self._compact and self._applied >= self._storage.first_index() + self._compact:
                self._storage.create_snapshot(self._applied, self._conf_state, self._digest)
                self._storage.compact(self._applied)
                self.note(f"compacted {self._applied}")

    def _handle(self, rd: Ready) -> None:
        save_ready(self._storage, rd)
        if rd.snapshot is not None:
            self._restored(rd.snapshot)
        for state in rd.read_states:
            self.note(f"read {state.index} {state.request_ctx.hex()}")
        if rd.soft_state is not None:
            term = self._raw.basic_status().term
            self.note(f"state {rd.soft_state.raft_state} term {term} lead {rd.soft_state.lead}")
        for entry in rd.committed_entries:
            self._apply(entry)
        for m in rd.messages:
            self._send(m)

    def _restored(self, snapshot: Snapshot) -> None:
        metadata = snapshot.metadata
        self._applied, self._applied_term = metadata.index, metadata.term
        self._conf_state = metadata.conf_state
        self._digest = snapshot.data
        self.note(f"snapshot {self._applied} {self._applied_term} {self._digest.hex()}")

    def _apply(self, entry: Entry) -> None:
        data = entry.data
        try:
            if entry.type == EntryType.CONF_CHANGE:
                self._conf_state = self._raw.apply_conf_change(ConfChange.decode(data))
            elif entry.type == EntryType.CONF_CHANGE_V2:
                self._conf_state = self._raw.apply_conf_change(ConfChangeV2.decode(data))
        except ConfChangeError as error:
            self.note(f"error {error}")
        self._applied, self._applied_term = entry.index, entry.term
        place = entry.index.to_bytes(8, "big") + entry.term.to_bytes(8, "big")
        self._digest = sha256(self._digest + place + data).digest()
        self._out.write(f"{entry.index} {entry.term} {data.hex() or '-'}\n".encode())

    def _send(self, m: Message) -> None:
        if self.transport is not None and not self._isolated:
            self.transport.send((m,))
            return
        if m.type == MessageType.MSG_SNAP:
            self.report_snapshot(m.to, SnapshotStatus.FAILURE)
        self.report_unreachable(m.to)

    def _command(self, words: list[str]) -> None:
        name, arguments = words[0], words[1:]
        number = parse_uint(arguments[0]) if arguments and name not in ("!read", "!conf") else 0
        match name:
            case "!quit":
                self._quits = True
            case "!campaign":
                self._raw.campaign()
            case "!transfer":
                self._raw.transfer_leader(number)
            case "!forget":
                self._raw.forget_leader()
            case "!read":
                self._raw.read_index(" ".join(arguments).encode("utf-8", "surrogateescape"))
            case "!conf":
                self._raw.propose_conf_change(ConfChangeV2(changes=conf_changes_from_string(" ".join(arguments))))
            case "!isolate":
                self._isolated = number != 0
            case "!status":
                s = self._raw.basic_status()
                self.note(f"status term {s.term} commit {s.commit} applied {s.applied} lead {s.lead} {s.raft_state}")
            case "!digest":
                self.note(f"digest {self._applied} {self._applied_term} {self._digest.hex()}")
            case _:
                self.note(f"error unknown command {name}")


class _Lines:
    """Standard input, read by a thread because it may be a file as well as a pipe, cut into lines for the node.

    The thread is at most a few chunks ahead, so that a sender of more is held up.
    """

    def __init__(self, peer: WirePeer, descriptor: int) -> None:
        self._peer = peer
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._ahead = threading.Semaphore(4)
        self._rest = b""
        threading.Thread(target=self._read, name="standard input", daemon=True).start()

    def _read(self) -> None:
        while self._ahead.acquire():
            try:
                chunk = os.read(self._descriptor, _CHUNK_BYTES)
            except OSError:
                chunk = b""
            try:
                self._loop.call_soon_threadsafe(self._take, chunk)
            except RuntimeError:
                return
            if not chunk:
                return

    def _take(self, chunk: bytes) -> None:
        self._ahead.release()
        lines = (self._rest + chunk).split(b"\n")
        # What follows the last line end is a line of its own only if nothing more comes.
        self._rest = lines.pop() if chunk else b""
        for line in lines:
            if line or chunk:
                self._peer.line(line.removesuffix(b"\r"))
        if len(self._rest) > _MAX_LINE_BYTES:
            self._peer.note(f"error line of more than {_MAX_LINE_BYTES} bytes")
            self._rest = b""


def main(argv: Sequence[str]) -> int:
    """Run a node until ``!quit``; returns the exit status: 0, 1 if it failed, 2 for a wrong command line."""
    try:
        options = parse(_FLAGS, argv)
        addresses = _addresses(options["peers"])
    except HelpAsked:
        sys.stderr.write(usage("wirepeer", _FLAGS))
        return 0
    except FlagError as error:
        sys.stderr.write(f"{error}\n{usage('wirepeer', _FLAGS)}")
        return 2
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options["id"] not in addresses:
        sys.stderr.write(f"-id {options['id']} is not in -peers\n")
        return 1
    try:
        asyncio.run(_run(options, addresses))
    except (RaftError, OSError) as error:
        sys.stderr.write(f"wirepeer {options['id']}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _addresses(text: str) -> dict[int, Address]:
    found: dict[int, Address] = {}
    for part in text.split(","):
        id, equals, address = part.partition("=")
        host, colon, port = address.rpartition(":")
        if not (equals and colon and id.isdecimal() and port.isdecimal() and int(id) > 0):
            raise ValueError(f'bad peer "{part}"')
        found[int(id)] = (host.strip("[]"), int(port))
    return found


def _logger(id: int, verbose: bool) -> logging.Logger:
    logger = logging.getLogger("raftcy")
    logger.setLevel(logging.DEBUG if verbose else logging.CRITICAL)
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        text = f"[{id}] %(asctime)s.%(msecs)03d %(levelname)s: %(message)s"
        handler.setFormatter(logging.Formatter(text, "%H:%M:%S"))
        logger.addHandler(handler)
    return logger


async def _run(options: dict[str, Any], addresses: dict[int, Address]) -> None:
    id = options["id"]
    storage = MemoryStorage()
    config = Config(
        id=id,
        election_tick=options["election"],
        heartbeat_tick=1,
        storage=storage,
        max_size_per_msg=options["maxsize"],
        max_inflight_msgs=options["inflight"],
        pre_vote=options["prevote"],
        check_quorum=options["checkquorum"],
        logger=_logger(id, options["v"]),
    )
    peer = WirePeer(config, storage, options["compact"], sys.stdout.buffer)
    async with Transport(id, peer, {n: address for n, address in addresses.items() if n != id}) as transport:
        host, port = await transport.listen(*addresses[id])
        peer.transport = transport
        peer.bootstrap(sorted(addresses))
        peer.note(f"listening {host}:{port}")
        _Lines(peer, sys.stdin.fileno())
        ticker = asyncio.create_task(_tick(peer, options["tick"] / 1000))
        try:
            await peer.done
        finally:
            ticker.cancel()
            sys.stdout.flush()


async def _tick(peer: WirePeer, seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    due = clock()
    while True:
        # Ticks that are late do not come in a burst.
        due = max(due + seconds, clock())
        await asyncio.sleep(due - clock())
        peer.tick()
