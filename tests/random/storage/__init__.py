"""Random histories of the log on disk, with power cuts at every sync.

``python -m tests.random.storage`` runs the long form; ``RAFTCY_STORAGE_RUNS`` makes the tests longer.
"""
