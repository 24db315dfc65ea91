"""The rules that no run may violate. Each is a class, and its docstring states the rule.

Checkers only observe. They receive events (the methods of ``base.Checker``), remember what they need, and raise
``Violation``. ``ledger.Committed`` keeps what is known to be committed, for all of them.
"""

from ..seen import Seen, View
from .base import Checker, Checkers, Violation
from .ledger import Committed

__all__ = ["Checker", "Checkers", "Committed", "Seen", "View", "Violation"]
