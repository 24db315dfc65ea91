"""Requests that an etcd gateway refuses, and what it answers: recorded once, and compared with ours.

    python -m tests.system.etcd.gateway_errors HOST:PORT > FILE.jsonl

records the answers of an endpoint with an empty store.
"""

import argparse
import base64
import json
import sys
from http.client import HTTPConnection
from typing import Any


def b(text: str) -> str:
    """A text as the gateway takes it."""
    return base64.b64encode(text.encode()).decode()


KEY = {"key": b("errors/a"), "value": b("1")}
CASES: dict[str, tuple[str, str, Any]] = {
    # First some that are answered, for those after them.
    "put": ("POST", "/v3/kv/put", KEY),
    "put again": ("POST", "/v3/kv/put", KEY),
    "grant": ("POST", "/v3/lease/grant", {"ID": "77", "TTL": "600"}),
    "compact": ("POST", "/v3/kv/compaction", {"revision": "3"}),
    "put without a key": ("POST", "/v3/kv/put", {"value": b("1")}),
    "put of nothing": ("POST", "/v3/kv/put", {}),
    "put without a body": ("POST", "/v3/kv/put", None),
    "put with an unknown lease": ("POST", "/v3/kv/put", {**KEY, "lease": "42"}),
    "ignore_value of no key": ("POST", "/v3/kv/put", {"key": b("errors/none"), "ignore_value": True}),
    "ignore_value with a value": ("POST", "/v3/kv/put", {**KEY, "ignore_value": True}),
    "ignore_lease with a lease": ("POST", "/v3/kv/put", {**KEY, "ignore_lease": True, "lease": "77"}),
    "put that is too large": ("POST", "/v3/kv/put", {"key": b("errors/big"), "value": b("x" * 1_600_000)}),
    "range without a key": ("POST", "/v3/kv/range", {}),
    "range of the future": ("POST", "/v3/kv/range", {"key": b("errors/a"), "revision": "999999"}),
    "range of a compacted revision": ("POST", "/v3/kv/range", {"key": b("errors/a"), "revision": "1"}),
    "range with an unknown order": ("POST", "/v3/kv/range", {"key": b("errors/a"), "sort_order": 77}),
    "delete without a key": ("POST", "/v3/kv/deleterange", {}),
    "compact again": ("POST", "/v3/kv/compaction", {"revision": "2"}),
    "compact the future": ("POST", "/v3/kv/compaction", {"revision": "999999"}),
    "a key twice in a txn": ("POST", "/v3/kv/txn", {"success": [{"request_put": KEY}, {"request_put": KEY}]}),
    "too many operations": ("POST", "/v3/kv/txn", {"success": [{"request_range": {"key": b("a")}}] * 129}),
    "an empty operation": ("POST", "/v3/kv/txn", {"success": [{}]}),
    "grant of a taken id": ("POST", "/v3/lease/grant", {"ID": "77", "TTL": "5"}),
    "grant that is too long": ("POST", "/v3/lease/grant", {"TTL": "9000000001"}),
    "revoke of nothing": ("POST", "/v3/lease/revoke", {"ID": "4242"}),
    "revoke at the old path": ("POST", "/v3/kv/lease/revoke", {"ID": "4242"}),
    "time to live of nothing": ("POST", "/v3/lease/timetolive", {"ID": "4242"}),
    "keep-alive of nothing": ("POST", "/v3/lease/keepalive", {"ID": "4242"}),
    "remove of nobody": ("POST", "/v3/cluster/member/remove", {"ID": "4242"}),
    "authenticate": ("POST", "/v3/auth/authenticate", {"name": "a", "password": "b"}),
    "enable without root": ("POST", "/v3/auth/enable", {}),
    "hashkv of the future": ("POST", "/v3/maintenance/hashkv", {"revision": "999999"}),
    "no JSON": ("POST", "/v3/kv/put", b"nonsense"),
    "half a JSON": ("POST", "/v3/kv/put", b'{"key":'),
    "an array": ("POST", "/v3/kv/put", []),
    "a key that is a number": ("POST", "/v3/kv/put", {"key": 5}),
    "a key that is no base64": ("POST", "/v3/kv/put", {"key": "%%%"}),
    "a lease that is no number": ("POST", "/v3/kv/put", {**KEY, "lease": "x"}),
    "an unknown path": ("POST", "/v3/none", {}),
    "a GET": ("GET", "/v3/kv/put", None),
    "an unknown page": ("GET", "/none", None),
    "a POST of a page": ("POST", "/version", {}),
    "a watch of a compacted revision": (
        "POST",
        "/v3/watch",
        {"create_request": {"key": b("errors/a"), "start_revision": "1"}},
    ),
}
"""A request by its name: method, path and body."""


def ask(endpoint: str) -> dict[str, dict[str, Any]]:
    """Return the answer to each request: its status and its text. Of a watch, what came before the stream went on."""
    host, port = endpoint.rsplit(":", 1)
    found = {}
    for name, (method, path, body) in CASES.items():
        connection = HTTPConnection(host, int(port), timeout=10)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.readline() + response.readline() if path == "/v3/watch" else response.read()
        found[name] = {"status": response.status, "text": text.decode()}
        connection.close()
    return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint")
    for name, answer in ask(parser.parse_args().endpoint).items():
        sys.stdout.write(json.dumps({"case": name, **answer}) + "\n")


if __name__ == "__main__":
    main()
