"""The suite of configuration changes: applies each to a tracker, without a node."""

from ..core.confchange import Changer
from ..core.tracker import ProgressTracker, progress_map_string
from ..errors import ConfChangeError
from ..wire.changes import conf_changes_from_string
from .conversions import parse_bool
from .datadriven import Case

__all__ = ["ConfChangeSuite"]


class ConfChangeSuite:
    """The state of one script: a tracker, initially empty, and a last index that grows by one with each case."""

    def __init__(self) -> None:
        self.tracker = ProgressTracker(10, 0)
        self.last_index = 0

    def handle(self, case: Case) -> str:
        """Run ``simple``, ``enter-joint [autoleave=BOOL]`` or ``leave-joint``, with input such as ``v1 l2 r3``."""
        try:
            return self._run(case)
        finally:
            self.last_index += 1

    def _run(self, case: Case) -> str:
        try:
            changes = conf_changes_from_string(case.input)
        except ValueError as error:
            return str(error)
        if case.command == "leave-joint" and changes:
            return "this command takes no input"
        if case.command not in ("simple", "enter-joint", "leave-joint"):
            return "unknown command"
        auto_leave = case.command == "enter-joint" and bool(case.arguments) and parse_bool(case.value("autoleave"))
        changer = Changer(self.tracker, self.last_index)
        try:
            if case.command == "simple":
                outcome = changer.simple(changes)
            elif case.command == "enter-joint":
                outcome = changer.enter_joint(auto_leave, changes)
            else:
                outcome = changer.leave_joint()
        except ConfChangeError as error:
            return str(error)
        self.tracker.switch(*outcome)
        return f"{self.tracker.config}\n{progress_map_string(self.tracker.progress)}"
