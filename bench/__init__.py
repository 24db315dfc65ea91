"""Benchmarks: one workload of one build a process (``python -m bench``), and tables over several rounds (``report``)."""
