"""Benchmarks: one workload of one build a process (``python -m bench``); tables over several rounds (``report``)."""
