"""Gives the etcd gateway bodies that may be requests.

The first byte selects the RPC, the second how the body is cut; the rest is the body. Each body is a message or refused
with a code, and nothing else. A message that was accepted is the same after it was written and read again. A body in
pieces has the same objects however it is cut.
"""

import importlib
import json
from types import ModuleType
from typing import Any

from .machine import Finding

SIZE_MAX = 4096


def gateway(builds: list[ModuleType], data: bytes) -> None:
    """Read a body as a request, and as the body of a stream."""
    if len(data) < 2:
        return
    build = builds[-1].__name__
    jsonmap, schema, refusals = (
        importlib.import_module(f"{build}.etcd.{name}") for name in ("jsonmap", "schema", "refusals")
    )
    kinds = [getattr(schema, name) for name in sorted(vars(schema)) if name.endswith("Request")]
    kind, body = kinds[data[0] % len(kinds)], data[2:]
    try:
        message = jsonmap.decode(kind, body)
    except refusals.Refused as error:
        if error.code != 3 or not error.text:
            raise Finding(f"{kind.__name__} of {body!r}: refused by {error!r}") from None
    else:
        again = jsonmap.decode(kind, jsonmap.encode(message))
        if again != message:
            raise Finding(f"{kind.__name__} of {body!r}: {message} is read again as {again}")
    whole, pieces = (_objects(jsonmap, refusals, body, size) for size in (len(body), 1 + data[1] % 16))
    if whole[: len(pieces)] != pieces[: len(whole)] or (len(whole) != len(pieces)):
        raise Finding(f"{body!r} has the objects {whole}, and cut {pieces}")


def _objects(jsonmap: Any, refusals: Any, body: bytes, size: int) -> list[Any]:
    """The objects of a body that comes in pieces of this size. A refusal ends them."""
    splitter = jsonmap.Splitter(SIZE_MAX)
    found: list[Any] = []
    try:
        for start in range(0, len(body), max(1, size)):
            for each in splitter.feed(body[start : start + size]):
                found.append(each.strip())
                try:
                    json.loads(each)
                except ValueError:
                    # It is between braces, and more was not promised.
                    continue
        splitter.finish()
    except refusals.Refused:
        found.append("refused")
    return found
