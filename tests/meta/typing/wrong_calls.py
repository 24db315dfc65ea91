"""Wrong calls of the public API, for the type checkers alone: mypy and pyright must refuse each line with a comment.

They report a comment that they do not need, so a wrong call that becomes possible is an error. Nothing runs this file.
"""

from raftcy import (
    ConfChange,
    Config,
    ConfState,
    Driver,
    Entry,
    HardState,
    Host,
    MemoryStorage,
    Message,
    RawNode,
    Replica,
    SnapshotMetadata,
)


def values(storage: MemoryStorage) -> None:
    Entry(data="text")  # type: ignore[arg-type]  # text where bytes are needed
    Entry(1)  # type: ignore[call-arg]  # a positional argument
    HardState(term="1")  # type: ignore[arg-type]  # a text where a number is needed
    ConfState(voters=3)  # type: ignore[arg-type]  # one id where a list is needed
    SnapshotMetadata(conf_state=[1, 2, 3])  # type: ignore[arg-type]  # ids where a ConfState is needed
    Message(entries=[b"x"])  # type: ignore[list-item]  # bytes where entries are needed
    Config(id=1, storage=5)  # type: ignore[arg-type]  # a number where a storage is needed
    Config(id=1, storage=storage, logger=print)  # type: ignore[arg-type]  # a function where a logger is needed


async def calls(node: RawNode, driver: Driver, host: Host, replica: Replica) -> None:
    node.propose("text")  # type: ignore[arg-type]  # text where bytes are needed
    node.step(b"")  # type: ignore[arg-type]  # bytes where a message is needed
    node.propose_conf_change(ConfState(voters=[1]))  # type: ignore[arg-type]  # a configuration where a change is needed
    node.read_index(7)  # type: ignore[arg-type]  # a number where bytes are needed
    node.with_progress(print(1))  # type: ignore[arg-type]  # the result of a call where a function is needed
    node.bootstrap([1, 2, 3])  # type: ignore[list-item]  # ids where peers are needed
    driver.propose("text")  # type: ignore[arg-type]  # text where bytes are needed
    host.replica(1, None)  # type: ignore[arg-type]  # a number where a name is needed
    await replica.read(at_least="1")  # type: ignore[arg-type]  # a text where an index is needed
    ConfChange(node_id="1")  # type: ignore[arg-type]  # a text where a number is needed
