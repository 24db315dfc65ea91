"""What the server says it is: a version of etcd's API.

Clients decide by the version what a server can do. Kubernetes asks for progress of watches from 3.4.25 and 3.5.8 on,
and etcdctl streams ranges from 3.7 on. All that clients of 3.7.3 ask for is answered here, and the test-suite that this
server passes is that of 3.7.3; so it reports that one. The version of raftcy is in ``raftcy --version`` and in the log.
"""

ETCD_VERSION = "3.7.3"
CLUSTER_VERSION = "3.7.0"
"""What all members of a cluster can do: the minor version, as etcd writes it."""
VERSIONS = {"etcdserver": ETCD_VERSION, "etcdcluster": CLUSTER_VERSION, "storage": CLUSTER_VERSION}
"""The answer of ``/version``."""
