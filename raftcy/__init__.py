"""raftcy: the Raft consensus algorithm, etcd's raft for Python."""

from ._build import BUILD

__all__ = ["BUILD", "__version__"]
__version__ = "0.1.0"
