"""Runs members of replicated groups.

``driver`` does the whole round of a node, without a clock, disk or network. ``loopback`` connects and runs the drivers
of one process, and ``pump`` runs one driver in an asyncio event loop.
"""
