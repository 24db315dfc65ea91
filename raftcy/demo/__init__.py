"""The demo: three durable processes replicate a file, lose their leader, and then all die at once.

- ``client`` starts the processes, feeds them records, kills them on the way, and checks the outcome.
- ``worker`` is one of the processes: a ``Host`` with one replica.
- ``lines`` splits the file into records, and ``tally`` is the machine that applies each record exactly once.
- ``authority`` makes the certificates of the members, if there is openssl.
- ``processes`` manages the workers for the client, ``channel`` connects the two, and ``table`` formats the results.
"""

from .client import Options, run
from .lines import DemoError

__all__ = ["DemoError", "Options", "run"]
