"""Peers with a durable log: programs in Go, and one in Python."""
