"""What several folders of tests share.

Clusters in one process, and what each of them is for. A new test takes the first one that serves it:

- `raftcy.Loopback`: drivers that get each other's messages at once, for groups that only have to work.
- `peers`: a single node, and the test plays its peers.
- `network.Network`: the state machine alone, without Readys and storages that take time; loses what a test wants lost.
- `node_loop.Cluster`: Nodes of asyncio, whose messages the test carries.
- `raftcy.rafttest.lossy`: members in an event loop, with loss and delay by chance.
- `raftcy.rafttest.environment`: RawNodes that obey a script, with etcd's text.
- `raftcy.sim.cluster`: drivers under crashes, bad disks and clocks; every rule is checked after every event.
- `tests.random.lockstep.cluster`: nodes of both builds, one random step at a time. `tests.random.lockstep.drivers` runs
  the same hosts to rest, and drivers beside them.
- `tests.random.fuzz.machine`: one node of each build, given what nobody would send.
- `tools.tla.stories`: drivers with one trace; the story says which messages arrive, and when.
- `bench.group`: what the benchmark measures, by a loop in Python and by the driver.
"""
