"""Members of an etcd cluster in the simulator, on simulated hosts.

``naivekv`` works out anew what each entry of the log does, in the plainest form; ``ledgers`` compares the members with
it, and what clients are told; ``clerks`` are the clients of one process.
"""
