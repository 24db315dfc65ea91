"""The form of a deliberate fault."""

from typing import NamedTuple

from ..edit import Edit


class Fault(NamedTuple):
    """A fault of the core.

    `says` is what the core does wrong. `rows` are the rows of the catalogue whose bug it brings back, each by its first
    issue. `unseen` is why the simulator cannot see it, for faults that only named tests must find; `profile` is the
    simulator's profile for the others.
    """

    name: str
    says: str
    edits: tuple[Edit, ...]
    rows: tuple[str, ...] = ()
    unseen: str = ""
    profile: str = "mixed"
