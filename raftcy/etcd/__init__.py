"""An etcd v3 server on raftcy's hosts and replicas: the key-value store, its API and its command.

It needs the extra ``raftcy[etcd]``. ``service`` describes how the RPCs and the fronts that carry them, gRPC and JSON,
fit together.
"""
