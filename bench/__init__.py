"""Benchmarks: ``python -m bench`` runs one workload per process, ``report`` makes tables from several rounds."""
