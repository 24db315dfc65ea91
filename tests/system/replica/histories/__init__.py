"""Histories of operations on real processes under faults, checked for linearizability: see ``__main__``."""
