"""Threads beside the event loop: what they were given is done, whatever becomes of the loop."""

import asyncio
import threading

from raftcy.replica.aside import Thread, call_after_all


def test_the_last_of_several_makes_the_call() -> None:
    """Also when one of them hangs longer than the event loop lives."""
    goes_on, called = threading.Event(), threading.Event()

    async def leave() -> None:
        asides = [Thread("one"), Thread("two")]
        asides[0].submit(goes_on.wait, lambda result, failure: None)
        call_after_all(asides, called.set)
        for aside in asides:
            aside.close()
        await asyncio.sleep(0.05)

    asyncio.run(leave())
    assert not called.is_set()
    goes_on.set()
    assert called.wait(10)
