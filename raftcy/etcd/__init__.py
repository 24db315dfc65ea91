"""An etcd v3 server: the key-value store, its API and its command. Needs the extra ``raftcy[etcd]``.

``service`` describes how the RPCs and the fronts that carry them, gRPC and JSON, fit together.
"""
