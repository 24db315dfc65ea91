"""Holds a typed module, and numbers for it."""
