"""A member of the store as a process whose members change: clients send JSON lines, also to change the members."""

import argparse
import asyncio
import json
import logging
import runpy
from typing import Any

from raftcy import Host, RaftError, Rejected, Tuning
from raftcy.replica import Replica
from tests.support.needs import ROOT

example = runpy.run_path(str(ROOT / "examples/store.py"))
TUNING = Tuning(tick_ms=20, election_ms=400, snapshot_entries=200, kept_entries=20)


async def serve(host: Host, store: Replica, ask: dict[str, Any]) -> dict[str, Any]:
    """Answer one request."""
    what, id = ask["op"], ask.get("id", 0)
    if what == "replace":
        await host.replace(ask["old"], id)
    elif what == "remove":
        await host.remove(id)
    elif what == "add":
        await host.add(id)
    elif what == "status":
        return {"ok": True, "voters": list(store.members.voters), "hosts": sorted(host.hosts), "leader": store.leader}
    else:
        answer: dict[str, Any] = await example["serve"](store, ask)
        return answer
    return {"ok": True}


async def main(args: argparse.Namespace) -> None:
    """Run the member until its host ends."""
    options: dict[str, Any] = {"listen": args.listen, "join": args.join}
    if args.members:
        members = {int(id): address for id, address in (each.split("=") for each in args.members.split(","))}
        options = {"members": members}
    async with Host(args.data, id=args.id, tuning=TUNING, **options) as host:
        store = host.replica("store", example["Store"]())

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                try:
                    answer = await serve(host, store, json.loads(line))
                except (RaftError, TimeoutError) as error:
                    answer = {"ok": False, "certain": isinstance(error, Rejected), "error": repr(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
            writer.close()

        async with await asyncio.start_server(client, *args.client.rsplit(":", 1)):
            await host.wait_closed()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", type=int, required=True)
    for name in ("--data", "--client"):
        parser.add_argument(name, required=True)
    for name in ("--members", "--join", "--listen"):
        parser.add_argument(name)
    asyncio.run(main(parser.parse_args()))
