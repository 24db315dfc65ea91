"""Members of replicated groups: the driver, which is the whole round of a node, and what carries it.

``driver`` has no clock, disk or network: whoever runs it brings these. ``loopback`` runs the drivers of one process,
``pump`` runs one in an asyncio event loop.
"""
