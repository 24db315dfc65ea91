"""Replays recorded traffic of an etcd gateway against an endpoint, and compares the answers.

    python -m tests.system.etcd.replay HOST:PORT FILE.jsonl

A recording has one HTTP exchange a line, in the order in which they ended, and each chunk of a stream. The endpoint
must have an empty store. Ids of leases, members and the cluster differ between the two runs, and so may revisions, by a
constant. They are mapped: requests name what the endpoint named, and answers are compared after they were mapped back.
Everything else must be equal: status, keys, types, values, and the events of watches in their order.

A recording shows leases that expired. The replay does not wait for that: it revokes such a lease at the revision at
which its keys were deleted.
"""

import argparse
import json
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

WRITES = ("/v3/kv/put", "/v3/kv/txn", "/v3/kv/deleterange", "/v3/lease/revoke")
OTHER_IN_EACH_RUN = {"cluster_id", "member_id", "raft_term", "clientURLs", "peerURLs", "name"}
REVISIONS = {"revision", "mod_revision", "create_revision", "start_revision", "compact_revision"}
LEASES = {"ID", "lease"}
ANSWER_S_MAX = 20.0


@dataclass
class Exchange:
    """One request with its answer; of a stream, the answer is the chunks that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    answer: str
    is_stream: bool
    connection: int
    is_taken: bool = False

    @property
    def answers(self) -> list[Any]:
        """The JSON values of the answer."""
        return [json.loads(line) for line in self.answer.splitlines() if line.strip()]

    @property
    def revision(self) -> int:
        """The revision in the header of the answer, 0 if there is none."""
        found = self.answers[0] if self.answer.strip().startswith("{") else {}
        return int(found.get("result", found).get("header", {}).get("revision", 0))


def read(file: Path) -> list[Exchange]:
    """Read a recording."""
    found: list[Exchange] = []
    streams: dict[int, Exchange] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "chunk" in row:
            streams[row["conn"]].answer += row["chunk"]
            continue
        method, path, _ = row["req"].split(" ")
        is_stream = bool(row.get("stream"))
        exchange = Exchange(
            method=method,
            path=path,
            headers=row["headers"],
            body=row["body"],
            status=int(row["status"].split(" ")[1]),
            answer=row.get("rbody", ""),
            is_stream=is_stream,
            connection=row["conn"],
        )
        if is_stream:
            streams[row["conn"]] = exchange
        found.append(exchange)
    return found


def events(exchange: Exchange) -> Iterator[dict[str, Any]]:
    """Yield the events of a watch."""
    for answer in exchange.answers:
        yield from answer.get("result", {}).get("events", ())


@dataclass
class Mapping:
    """How the names of the recording became those of the endpoint."""

    shift: int = 0
    """What is added to revisions."""
    leases: dict[str, str] = field(default_factory=dict)

    def there(self, value: Any, key: str = "") -> Any:
        """Map a part of a request."""
        if isinstance(value, dict):
            return {name: self.there(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.there(each, key) for each in value]
        if key in REVISIONS and int(value):
            return str(int(value) + self.shift)
        return self.leases.get(str(value), value) if key in LEASES else value

    def back(self, value: Any, key: str = "") -> Any:
        """Map a part of an answer."""
        if isinstance(value, dict):
            return {name: self.back(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.back(each, key) for each in value]
        if key in OTHER_IN_EACH_RUN:
            return type(value).__name__
        if key in REVISIONS and isinstance(value, str):
            return str(int(value) - self.shift)
        names = {there: here for here, there in self.leases.items()}
        return names.get(value, value) if key in LEASES else value


def anonymous(value: Any, key: str = "") -> Any:
    """Return a recorded answer without what differs in each run."""
    if isinstance(value, dict):
        return {name: anonymous(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [anonymous(each, key) for each in value]
    return type(value).__name__ if key in OTHER_IN_EACH_RUN else value


class Watch:
    """A watch on the endpoint, read by a thread."""

    def __init__(self, recorded: Exchange, response: HTTPResponse, connection: HTTPConnection) -> None:
        self.recorded = recorded
        self._response = response
        self._connection = connection
        self.lines: list[Any] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._response:
                with self._changed:
                    self.lines.append(json.loads(line))
                    self._changed.notify_all()
        except (OSError, ValueError, AttributeError):
            # It was closed.
            return

    def events(self) -> list[Any]:
        """Return the events so far."""
        return [event for line in self.lines for event in line.get("result", {}).get("events", ())]

    def finish(self) -> None:
        """Wait until as many events are here as were recorded, and close."""
        wanted = len(list(events(self.recorded)))
        with self._changed:
            self._changed.wait_for(lambda: len(self.events()) >= wanted, ANSWER_S_MAX)
        sock = self._connection.sock
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Replay:
    """Replays a recording. ``faults`` are the differences."""

    def __init__(self, endpoint: str, exchanges: list[Exchange]) -> None:
        self._endpoint = endpoint
        self._exchanges = exchanges
        self._mapping = Mapping()
        self._watches: list[Watch] = []
        self._connections: dict[int, HTTPConnection] = {}
        self._revision = 0
        self.passed = 0
        self.faults: list[str] = []

    def run(self) -> None:
        """Replay everything."""
        self._shift()
        for exchange in self._exchanges:
            if not exchange.is_taken:
                self._catch_up(exchange)
                self._take(exchange)
        for watch in self._watches:
            watch.finish()
            self._compare_watch(watch)
        for connection in self._connections.values():
            connection.close()

    def _shift(self) -> None:
        first = next(each for each in self._exchanges if each.revision)
        _, answer = self._ask("POST", "/v3/kv/range", json.dumps({"key": "AA==", "limit": "1"}), {})
        present = int(json.loads(answer)["header"]["revision"])
        self._revision = first.revision - (first.path in WRITES)
        self._mapping.shift = present - self._revision

    def _catch_up(self, exchange: Exchange) -> None:
        """Do what the recording must have done before an answer: writes that ended later, and leases that expired."""
        known = exchange.revision - (exchange.path in WRITES)
        while self._revision < known:
            missing = self._revision + 1
            earlier = next(
                (e for e in self._exchanges if not e.is_taken and e.path in WRITES and e.revision == missing), None
            )
            if earlier is not None:
                self._take(earlier)
            else:
                self._explain(missing)
            self._revision = missing

    def _explain(self, revision: int) -> None:
        """Do what only watches of the recording tell: a lease expired, or a client died before its answer came."""
        there = [event for each in self._exchanges for event in events(each)]
        made = [event for event in there if int(event["kv"]["mod_revision"]) == revision]
        puts = [event["kv"] for event in made if event.get("type") != "DELETE"]
        if puts:
            body = {name: puts[0][name] for name in ("key", "value", "lease") if name in puts[0]}
            self._ask("POST", "/v3/kv/put", json.dumps(self._mapping.there(body)), {})
            return
        deleted = {event["kv"]["key"] for event in made}
        held = {
            int(event["kv"]["mod_revision"]): event["kv"]["lease"]
            for event in there
            if event["kv"]["key"] in deleted and "lease" in event["kv"] and int(event["kv"]["mod_revision"]) < revision
        }
        if not held:
            self.faults.append(f"nothing explains the revision {revision} of the recording")
            return
        self._ask("POST", "/v3/lease/revoke", json.dumps({"ID": self._mapping.leases[held[max(held)]]}), {})

    def _take(self, exchange: Exchange) -> None:
        exchange.is_taken = True
        body = exchange.body
        if exchange.path.startswith("/v3/"):
            body = json.dumps(self._mapping.there(json.loads(body or "{}")))
        if exchange.path == "/v3/watch":
            self._watch(exchange, body)
            return
        status, answer = self._ask(exchange.method, exchange.path, body, exchange.headers, exchange.connection)
        self._revision = max(self._revision, exchange.revision if exchange.path in WRITES else 0)
        found = [json.loads(line) for line in answer.splitlines() if line.strip()]
        if exchange.path == "/v3/lease/grant" and status == 200:
            self._mapping.leases[exchange.answers[0]["ID"]] = found[0]["ID"]
        self._compare(exchange, status, found)

    def _watch(self, exchange: Exchange, body: str) -> None:
        host, port = self._endpoint.rsplit(":", 1)
        connection = HTTPConnection(host, int(port), timeout=ANSWER_S_MAX)
        connection.request("POST", exchange.path, body, _headers(exchange.headers))
        response = connection.getresponse()
        if response.status != exchange.status:
            self.faults.append(f"{exchange.path}: status {response.status}, recorded {exchange.status}")
        self._watches.append(Watch(exchange, response, connection))

    def _ask(self, method: str, path: str, body: str, headers: dict[str, str], of: int = 0) -> tuple[int, str]:
        host, port = self._endpoint.rsplit(":", 1)
        connection = self._connections.get(of)
        if connection is None:
            connection = self._connections[of] = HTTPConnection(host, int(port), timeout=ANSWER_S_MAX)
        connection.request(method, path, body, _headers(headers))
        response = connection.getresponse()
        return response.status, response.read().decode()

    # -- comparing -------------------------------------------------------------------------------------------------

    def _compare(self, exchange: Exchange, status: int, found: list[Any]) -> None:
        what = f"{exchange.method} {exchange.path} {exchange.body[:80]}"
        if exchange.path == "/version":
            # The version differs, and later ones have more keys.
            wanted = set(exchange.answers[0])
            self._note(what, (status, wanted & set(found[0])), (exchange.status, wanted))
            return
        shown = [self._mapping.back(each) for each in found]
        recorded = [anonymous(each) for each in exchange.answers]
        if exchange.path == "/v3/cluster/member/list":
            # The endpoint may have more members than were recorded.
            del shown[0]["members"][1:]
            for member in (*shown[0]["members"], *recorded[0]["members"]):
                member["ID"] = type(member["ID"]).__name__
        self._note(what, (status, shown), (exchange.status, recorded))

    def _compare_watch(self, watch: Watch) -> None:
        shown = [self._mapping.back(each) for each in watch.events()]
        recorded = list(events(watch.recorded))
        self._note("events of a watch", shown[: len(recorded)], recorded)
        first = watch.lines[0].get("result", {}) if watch.lines else {}
        self._note("the first line of a watch", sorted(first), sorted(watch.recorded.answers[0]["result"]))

    def _note(self, what: str, found: Any, wanted: Any) -> None:
        if found == wanted:
            self.passed += 1
        else:
            self.faults.append(f"{what}\n  recorded {wanted}\n  found    {found}")


def _headers(headers: dict[str, str]) -> dict[str, str]:
    skipped = {"host", "content-length", "connection"}
    return {name: value for name, value in headers.items() if name not in skipped} or {
        "content-type": "application/json"
    }


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    replay = Replay(arguments.endpoint, read(arguments.file))
    replay.run()
    for fault in replay.faults:
        sys.stdout.write(f"FAIL {fault}\n")
    sys.stdout.write(f"{replay.passed} passed, {len(replay.faults)} failed\n")
    return 1 if replay.faults else 0


if __name__ == "__main__":
    sys.exit(main())
