"""One node over TCP that forms clusters with nodes of the reference: ``python -m raftcy.rafttest wirepeer``.

A Pump with a MemoryStorage, on the connections of ``interop``. A line of standard input is a proposal, or a command if
it starts with an exclamation mark. Standard output has a line ``INDEX TERM DATA`` for each committed entry, and notes
that start with ``#``. The state machine is a digest of all entries, and a snapshot contains the digest. All state is in
memory, so do not restart a node under the same id: it would have forgotten its votes.
"""

import asyncio
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, BinaryIO

from ..core.config import Config, Peer
from ..core.rawnode import RawNode
from ..core.ready import ReadState, SoftState
from ..core.storage import MemoryStorage
from ..errors import ProposalDropped, RaftError, Stopped
from ..replica.pump import Pump
from ..replica.work import Batch
from ..wire.changes import ConfChangeV2, conf_changes_from_string
from ..wire.enums import EntryType, MessageType, SnapshotStatus
from ..wire.gotext import parse_uint
from ..wire.messages import Entry, Message, Snapshot
from .goflags import Flag, FlagError, HelpAsked, parse, usage
from .interop import Address, Interop

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
_CHUNK_BYTES = 1 << 16
_MAX_LINE_BYTES = 64 << 20
# After this many proposals in a row, other callbacks of the event loop run.
_STRETCH = 32


class _Digest:
    """The state machine: a digest of all entries. Prints each entry when it is applied."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.index = 0
        self.term = 0
        self.value = bytes(32)

    def note(self, text: str) -> None:
        """Print a note."""
        self._out.write(f"# {text}\n".encode())

    def apply(self, entries: list[Entry]) -> None:
        """Apply entries, including empty ones and configuration changes."""
        for entry in entries:
            self.index, self.term = entry.index, entry.term
            place = entry.index.to_bytes(8, "big") + entry.term.to_bytes(8, "big")
            self.value = sha256(self.value + place + entry.data).digest()
            self._out.write(f"{entry.index} {entry.term} {entry.data.hex() or '-'}\n".encode())

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot."""
        metadata = snapshot.metadata
        self.index, self.term, self.value = metadata.index, metadata.term, snapshot.data
        self.note(f"snapshot {self}")

    def capture(self) -> bytes:
        """Return the digest."""
        return self.value

    def __str__(self) -> str:
        return f"{self.index} {self.term} {self.value.hex()}"


class WirePeer(Pump):
    """The node: works after each event, prints the entries that it applies, and keeps proposals in order."""

    def __init__(self, config: Config, storage: MemoryStorage, compact: int, out: BinaryIO) -> None:
        self._out = out
        self._machine = _Digest(out)
        # The reference has no such guard for reads, and tests compare the two outputs line by line.
        super().__init__(RawNode(config), storage, self._machine, guard_reads=False)
        self.transport: Interop | None = None
        self._compact = compact
        self._state: SoftState | None = None
        self._isolated = False
        self._quits = False
        self._queue: deque[bytes] = deque()
        self.send = self._post

    def bootstrap(self, ids: Sequence[int]) -> None:
        """Bootstrap the node with these ids as voters."""
        self.call(self.driver.node.bootstrap, [Peer(id) for id in ids])

    def note(self, text: str) -> None:
        """Print a note."""
        self._machine.note(text)

    def line(self, line: bytes) -> None:
        """Process a line of input, without its line end."""
        with suppress(Stopped):
            if not line.startswith(b"!"):
                self._queue.append(line)
            else:
                try:
                    self.call(self._command, line.decode("utf-8", "surrogateescape").split())
                except Stopped:
                    raise
                except (RaftError, ValueError) as error:
                    self.note(f"error {error}")
            self.work()
            if self._quits:
                self._end(None)

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Process messages from another node. Writes refusals to standard error and returns none."""
        refused = [] if self._isolated else super().receive(messages)
        for place, reason in refused:
            m = messages[place]
            if not isinstance(reason, ProposalDropped):
                sys.stderr.write(f"step {m.type} from {m.from_}: {reason}\n")
        return []

    def work(self) -> None:
        """Do the driver's work, then propose waiting lines until one is refused."""
        super().work()
        with suppress(ProposalDropped):
            for _ in range(_STRETCH):
                if not self._queue:
                    break
                self._guard(self.driver.propose, self._queue[0])
                self._queue.popleft()
                super().work()
            if self._queue:
                self.soon()
        self._out.flush()

    def changed(self, state: SoftState) -> None:
        """Remember the change. Its note comes after the notes of a snapshot and reads in the same round."""
        self._state = state

    def answered(self, state: ReadState) -> None:
        """Print a note of a read."""
        self.note(f"read {state.index} {state.request_ctx.hex()}")

    def apply_batch(self, batch: Batch) -> None:
        """Print a round in the reference's order: the snapshot, reads, the role, entries."""
        if batch.snapshot is not None:
            self._machine.restore(batch.snapshot)
        for read in self.driver.take_reads():
            self.answered(read)
        if self._state is not None:
            state, self._state = self._state, None
            term = self.driver.node.basic_status().term
            self.note(f"state {state.raft_state} term {term} lead {state.lead}")
        for entry in batch.entries:
            if entry.type != EntryType.NORMAL:
                self.driver.change(entry)
                if self.driver.refused_change is not None:
                    self.note(f"error {self.driver.refused_change}")
            self._machine.apply([entry])

    def finished(self) -> None:
        """Compact the log if enough entries were applied."""
        if self._compact and self._machine.index >= self.driver.storage.first_index() + self._compact:
            if self.driver.make_snapshot(0) is not None:
                self.note(f"compacted {self._machine.index}")

    def _post(self, messages: list[Message]) -> None:
        if self.transport is not None and not self._isolated:
            self.transport.send(messages)
            return
        for m in messages:
            if m.type == MessageType.MSG_SNAP:
                self.report_snapshot(m.to, SnapshotStatus.FAILURE)
            self.report_unreachable(m.to)

    def _command(self, words: list[str]) -> None:
        driver, node = self.driver, self.driver.node
        name, arguments = words[0], words[1:]
        number = parse_uint(arguments[0]) if arguments and name not in ("!read", "!conf") else 0
        match name:
            case "!quit":
                self._quits = True
            case "!campaign":
                node.campaign()
            case "!transfer":
                node.transfer_leader(number)
            case "!forget":
                node.forget_leader()
            case "!read":
                driver.read_index(" ".join(arguments).encode("utf-8", "surrogateescape"))
            case "!conf":
                driver.propose_change(ConfChangeV2(changes=conf_changes_from_string(" ".join(arguments))))
            case "!isolate":
                self._isolated = number != 0
            case "!status":
                s = node.basic_status()
                self.note(f"status term {s.term} commit {s.commit} applied {s.applied} lead {s.lead} {s.raft_state}")
            case "!digest":
                self.note(f"digest {self._machine}")
            case _:
                self.note(f"error unknown command {name}")


class _Lines:
    """Reads standard input and passes its lines to the node.

    A thread reads, because standard input may be a file, which asyncio cannot wait for. The thread stays at most a few
    chunks ahead, so that a fast sender has to wait.
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
        # Keep the text after the last line end: it is a complete line only at the end of the input.
        self._rest = lines.pop() if chunk else b""
        for line in lines:
            if line or chunk:
                self._peer.line(line.removesuffix(b"\r"))
        if len(self._rest) > _MAX_LINE_BYTES:
            self._peer.note(f"error line of more than {_MAX_LINE_BYTES} bytes")
            self._rest = b""


def main(argv: Sequence[str]) -> int:
    """Run a node until ``!quit``. Return the exit status: 0, 1 if it failed, or 2 for a wrong command line."""
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
    async with Interop(id, peer, {n: address for n, address in addresses.items() if n != id}) as transport:
        host, port = await transport.listen(*addresses[id])
        peer.transport = transport
        peer.bootstrap(sorted(addresses))
        peer.note(f"listening {host}:{port}")
        _Lines(peer, sys.stdin.fileno())
        peer.start_ticking(options["tick"] / 1000)
        try:
            await peer.done()
        finally:
            await peer.close()
            sys.stdout.flush()
