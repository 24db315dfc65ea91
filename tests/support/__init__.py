"""Helpers that several folders of tests share.

Clusters in one process, and the purpose of each. A new test takes the first one that serves it:

- `raftcy.Loopback`: drivers that get each other's messages at once, for groups that only have to work.
- `peers`: a single node; the test plays its peers.
- `network.Network`: state machines alone, without Readys or slow storages; loses the messages that a test names.
- `node_loop.Cluster`: asyncio Nodes whose messages the test carries.
- `raftcy.rafttest.lossy`: members in an event loop, with random loss and delay.
- `raftcy.rafttest.environment`: RawNodes that follow a script, with etcd's output.
- `raftcy.sim.cluster`: drivers under crashes, bad disks and clocks, with every rule checked after every event.
- `tests.random.lockstep.cluster`: nodes of both builds, one random step at a time. `tests.random.lockstep.drivers` runs
  the same hosts, and drivers beside them, until idle.
- `tests.random.fuzz.machine`: one node of each build, given hostile input.
- `tools.tla.stories`: drivers with one trace; the story says which messages arrive, and when.
- `bench.group`: what the benchmark measures, with a loop in Python and with the driver.
- `grpc_talk`: a gRPC client and the server's end of its connection, in memory and on a clock that stands still.
"""
