"""Answers of HTTP requests as values, so that what makes them needs no web server."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from .routes import HTTP_STATUS

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Reply(NamedTuple):
    """An answer that is there at once."""

    body: bytes
    status: int = 200
    content_type: str = JSON


Query = Mapping[str, list[str]]
Page = Callable[[Query], Reply | Awaitable[Reply]]
"""Answers a GET. It gets the parameters of the query, each with its values."""


def refusal(code: int, text: str) -> Reply:
    """Return the answer of a call that was refused with a gRPC code.

    Clients of etcd 3.4 and before read ``error``, later ones ``message``.
    """
    fields = {"error": text, "code": code, "message": text}
    return Reply(json.dumps(fields, separators=(",", ":")).encode(), HTTP_STATUS.get(code, 500))


def refusal_line(code: int, text: str) -> bytes:
    """Return the last line of a stream that ends with a gRPC code other than 0.

    etcd 3.4 calls the fields ``grpc_code``, ``http_code`` and ``http_status``, and later versions have ``code`` alone.
    """
    status = HTTP_STATUS.get(code, 500)
    fields = {"code": code, "message": text, "grpc_code": code, "http_code": status, "http_status": _REASONS[status]}
    return json.dumps({"error": fields}, separators=(",", ":")).encode() + b"\n"


_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
    429: "Too Many Requests", 499: "Client Closed Request", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip
