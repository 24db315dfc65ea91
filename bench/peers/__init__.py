"""Programs that run the same workloads on other implementations, and their builds (``build``)."""
