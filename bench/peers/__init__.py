"""Programs that run the same workloads on other implementations, and how they are built (``build``)."""
