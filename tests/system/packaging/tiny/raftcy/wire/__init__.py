"""Holds one module of each kind."""
