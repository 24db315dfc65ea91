"""A replicated store: each process is one member; clients send JSON lines. Its arguments are at the end."""

import argparse
import asyncio
import json

from raftcy import Host, RaftError, Rejected
from raftcy.machines import StateMachine


class Store(StateMachine):
    def __init__(self):
        self.values, self.seen = {}, {}

    def apply_one(self, command):
        put = json.loads(command.data)
        client, _, number = put["id"].rpartition(":")
        if self.seen.get(client, -1) < int(number):  # else the client has tried it again
            self.seen[client] = int(number)
            self.values[put["k"]] = put["v"]

    def capture(self):
        return json.dumps([self.values, self.seen]).encode()

    def restore(self, file):
        self.values, self.seen = json.loads(file.read())


async def serve(store, ask):
    if ask["op"] == "put":
        await store.propose(json.dumps(ask).encode(), timeout_s=2)
        return {"ok": True}
    await store.read(timeout_s=2)
    return {"ok": True, "v": store.machine.values.get(ask["k"]), "leader": store.leader}


async def main(args):
    members = {int(id): address for id, address in (each.split("=") for each in args.members.split(","))}
    async with Host(args.data, id=args.id, members=members) as host:
        store = host.replica("store", Store())

        async def client(reader, writer):
            while line := await reader.readline():
                try:
                    answer = await serve(store, json.loads(line))
                except (RaftError, TimeoutError) as error:
                    answer = {"ok": False, "certain": isinstance(error, Rejected), "error": repr(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
            writer.close()

        async with await asyncio.start_server(client, *args.client.rsplit(":", 1)):
            await host.wait_closed()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", type=int, required=True)
    for name in ("--data", "--client", "--members"):
        parser.add_argument(name, required=True)
    asyncio.run(main(parser.parse_args()))
