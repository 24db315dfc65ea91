"""The rules that no run may break: each is one class, with its rule in its docstring.

Checkers only look. They are told what happens (``base.Checker`` has the events), keep what they need to know, and
raise ``Violation``. What is known to be committed is kept once for all of them, in ``ledger.Committed``.
"""

from ..seen import Seen, View
from .base import Checker, Checkers, Violation
from .ledger import Committed

__all__ = ["Checker", "Checkers", "Committed", "Seen", "View", "Violation"]
