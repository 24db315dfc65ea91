"""A logger raises what is no Exception, as a native library may, while waiting proposals are stepped.

It prints:

step: Panic: in the native library
proposals that wait for ever: 0
proposals that ended with Stopped and the cause: 3 of 4
status: Stopped: raft: stopped (in the native library)
"""

import asyncio

import raftcy

from .parts import Quiet, attempt, begun, config


class Panic(BaseException):
    """No Exception."""


class Logger(Quiet):
    """Raises at warnings, once armed."""

    is_armed = False

    def isEnabledFor(self, level: int) -> bool:
        return True

    def warning(self, text: str) -> None:
        if self.is_armed:
            raise Panic("in the native library")


async def main() -> None:
    logger, storage = Logger(), begun()
    # The second proposal exceeds this size, which is worth a warning.
    node = raftcy.restart_node(config(1, storage, max_uncommitted_entries_size=1, logger=logger))
    waiting = [asyncio.create_task(node.propose(b"xx")) for _ in range(4)]

    async def drive() -> None:
        async for ready in node:
            raftcy.save_ready(storage, ready)
            node.advance()

    driving = asyncio.create_task(drive())
    await asyncio.sleep(0)
    await node.campaign()
    await asyncio.sleep(0.01)
    logger.is_armed = True
    term = node.status().term
    try:
        await node.step(raftcy.Message(type=raftcy.MessageType.MSG_VOTE_RESP, to=1, from_=2, term=term))
    except Panic as error:
        print(f"step: Panic: {error}")
    done, pending = await asyncio.wait(waiting, timeout=5.0)
    stopped = [each for each in done if isinstance(each.exception(), raftcy.Stopped)]
    print("proposals that wait for ever:", len(pending))
    print("proposals that ended with Stopped and the cause:", len(stopped), "of 4")
    print("status:", attempt(node.status))
    await asyncio.gather(driving, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
