"""Holds a kernel, written twice."""
