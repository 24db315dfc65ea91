"""What the command does between the restored store and the first client."""

from types import SimpleNamespace
from typing import Any

import pytest

from raftcy.etcd.server import Server

pytestmark = pytest.mark.once


class Listening(Exception):
    """The server has come to its listeners."""


@pytest.mark.parametrize("asks", [True, False])
async def test_the_hook_runs_once_the_store_is_restored_and_before_anybody_is_served(
    asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def step(name: str) -> Any:
        async def call(*_: object) -> None:
            done.append(name)
            if name == "listen":
                raise Listening

        return call

    server = Server(SimpleNamespace(), (lambda: done.append("hook")) if asks else None)  # type: ignore[arg-type]
    monkeypatch.setattr(server, "_pages", lambda *_: ({}, None, SimpleNamespace(fronts=[])))
    monkeypatch.setattr(server, "_listen", step("listen"))
    member = SimpleNamespace(wait_ready=step("ready"), replica=SimpleNamespace(read=step("read")))
    with pytest.raises(Listening):
        await server._serve(None, member, None)  # type: ignore[arg-type]
    assert done == ["ready", "read", *(["hook"] if asks else []), "listen"]
