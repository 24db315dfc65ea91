"""Members of an etcd cluster in the simulator, on simulated hosts.

``naivestore`` is the store in the plainest form, and ``naivekv`` works out with it what each entry of the log does;
``ledgers`` compares the members with it, and what clients are told; ``clerks`` are the clients of one process.
"""
