"""The demo: three processes replicate a file record by record and lose their leader half-way.

``client`` starts the processes, feeds them records, kills the leader and checks the outcome. ``worker`` is one of the
processes: a pump with its transport and a state machine. ``lines`` cuts the file, ``tally`` applies each record exactly
once, ``processes`` are the members as the client sees them, ``channel`` is how client and members talk, ``table`` shows
the outcome.
"""

from .client import Options, run
from .lines import DemoError

__all__ = ["DemoError", "Options", "run"]
