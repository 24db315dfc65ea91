"""The demo: three processes replicate a file record by record and lose their leader halfway.

- ``client`` starts the processes, feeds them records, kills the leader and checks the outcome.
- ``worker`` is one of the processes: a pump with a transport and a state machine.
- ``lines`` splits the file into records, and ``tally`` applies each record exactly once.
- ``processes`` manages the workers for the client, ``channel`` connects the two, and ``table`` formats the results.
"""

from .client import Options, run
from .lines import DemoError

__all__ = ["DemoError", "Options", "run"]
