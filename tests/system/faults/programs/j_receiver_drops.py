"""A receiver raises once when it is given a forwarded proposal.

It prints:

Overloaded: delivered after it [b'1', b'2', b'3', b'4'], failed calls 0
ProposalDropped: delivered after it [b'1', b'2', b'3', b'4'], failed calls 0
RuntimeError: delivered after it [b'1', b'2', b'3', b'4'], failed calls 1
"""

import asyncio

from raftcy import Message, Overloaded, ProposalDropped
from raftcy.transport import Transport
from tests.support.transports import proposal

from .parts import HOST, Receiver, until


class Raising(Receiver):
    """Raises an error at its first proposal."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Exception | None = error

    async def step(self, m: Message) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        await super().step(m)


async def one(error: Exception) -> None:
    receiver = Raising(error)
    transport = Transport(1, receiver)
    sender = Transport(2, Receiver(), {1: await transport.listen(HOST, 0)})
    for number in range(5):
        sender.send([proposal(b"%d" % number, to=1, from_=2)])
        await asyncio.sleep(0.01)
    await until(lambda: len(receiver.got) == 4)
    delivered = [entry.data for m in receiver.got for entry in m.entries]
    print(f"{type(error).__name__}: delivered after it {delivered}, failed calls {transport.traffic.failed_calls}")
    await sender.close()
    await transport.close()


async def main() -> None:
    for error in (Overloaded("full"), ProposalDropped("no leader"), RuntimeError("a bug")):
        await one(error)


if __name__ == "__main__":
    asyncio.run(main())
