"""The demo: three processes replicate a file record by record and lose their leader half-way.

``driver`` is the client: it starts the processes, feeds them records, kills the leader and checks the outcome.
``member`` is one of the processes: a Node with its transport and a state machine. ``records`` cuts the file,
``machine`` applies each record exactly once, ``processes`` are the members as the driver sees them, ``channel`` is how
driver and members talk, ``report`` the table at the end.
"""

from .client import Options, run
from .lines import DemoError

__all__ = ["DemoError", "Options", "run"]
