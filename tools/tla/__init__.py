"""Checks traces of raftcy against etcd's own TLA+ specification of raft with TLC: ``python -m tools.tla --help``.

The repository has no copy of the specification or of TLC: ``parts`` takes the specification from etcd's Go module and
TLC from a Maven artifact. ``check`` combines them with a trace and reads the verdict, and ``stories`` makes the traces.
``shims`` has the few operators that the specification imports from modules that no registry carries.
"""
