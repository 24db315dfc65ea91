"""Traces of raftcy against etcd's own TLA+ specification of raft, by TLC. ``python -m tools.tla --help``.

Nothing of the specification or of TLC is kept here: ``parts`` takes the one out of etcd's Go module and the other out
of a Maven artifact. ``check`` puts them together with a trace and reads the verdict, ``stories`` runs what is traced.
``shims`` holds the few operators that the specification takes from modules which no registry carries.
"""
