"""A key-value service that speaks the etcd v3 API, on raftcy's hosts and replicas.

``service`` describes how the RPCs and the fronts that carry them, gRPC and JSON, fit together.
"""
