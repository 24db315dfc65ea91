"""Peers in Python: protobuf's own codec, and PySyncObj."""
