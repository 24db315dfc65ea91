"""How the core asks for log levels and passes texts on."""

import logging
import subprocess
import sys
from typing import Any

import pytest

from raftcy import InvariantError, RawNode
from raftcy.core.logger import Log, default_logger
from tests.support.network import make_config, make_storage

LEVELS = ["debug", "info", "warning", "error"]


class Plain:
    """A logger that accepts everything and knows no levels."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        if name not in (*LEVELS, "critical"):
            raise AttributeError(name)
        return lambda text: self.told.append((name, text))


class Leveled(Plain):
    def __init__(self, level: int) -> None:
        super().__init__()
        self.level = level

    def isEnabledFor(self, level: int) -> Any:
        return 1 if level >= self.level else None


def on(log: Log) -> list[str]:
    return [name for name in LEVELS if getattr(log, f"{name}_on")()]


def test_a_logger_without_levels_gets_everything() -> None:
    logger = Plain()
    log = Log(logger)
    assert on(log) == LEVELS
    for name in LEVELS:
        getattr(log, name)(f"100% of {name}")
    assert logger.told == [(name, f"100% of {name}") for name in LEVELS]


@pytest.mark.parametrize(
    ("level", "wanted"),
    [(logging.DEBUG, LEVELS), (logging.INFO, LEVELS[1:]), (30, LEVELS[2:]), (40, LEVELS[3:]), (50, []), (99, [])],
)
def test_levels_are_asked_for(level: int, wanted: list[str]) -> None:
    log = Log(Leveled(level))
    assert on(log) == wanted
    assert all(type(getattr(log, f"{name}_on")()) is bool for name in LEVELS)


def test_a_level_may_change_at_any_time() -> None:
    logger = Leveled(logging.ERROR)
    log = Log(logger)
    assert not log.debug_on()
    logger.level = logging.DEBUG
    assert not log.debug_on()
    log.forget()
    assert log.debug_on()


def test_every_call_of_a_node_asks_again() -> None:
    logger = Leveled(logging.CRITICAL)
    node = RawNode(make_config(1, make_storage([1, 2, 3]), logger=logger))
    node.campaign()
    assert logger.told == []
    logger.level = logging.INFO
    node.campaign()
    assert ("info", "1 is starting a new election at term 1") in logger.told


@pytest.mark.parametrize(("logger", "told"), [(Plain(), 1), (Leveled(logging.CRITICAL), 1), (Leveled(99), 0)])
def test_fatal_logs_and_raises(logger: Any, told: int) -> None:
    with pytest.raises(InvariantError, match=r"^a rule is broken$"):
        Log(logger).fatal("a rule is broken")
    assert logger.told == [("critical", "a rule is broken")] * told


def test_texts_are_not_formatted_again(caplog: pytest.LogCaptureFixture) -> None:
    """A text with percent signs passes the standard library's loggers unchanged."""
    log = Log(default_logger())
    with caplog.at_level(logging.DEBUG, logger="raftcy"):
        log.debug("50%s %d")
    assert [(r.name, r.levelno, r.getMessage()) for r in caplog.records] == [("raftcy", logging.DEBUG, "50%s %d")]


def test_the_default_is_silent_until_set_up() -> None:
    """Not even logging's last-resort handler prints; there is one handler, however often the package is loaded."""
    program = (
        "import logging, raftcy; from raftcy._build import load_pure; load_pure()\n"
        "from raftcy.core.logger import default_logger\n"
        "default_logger().error('unheard')\n"
        "assert [type(h).__name__ for h in default_logger().handlers] == ['NullHandler']\n"
        "logging.basicConfig(format='%(name)s %(message)s'); default_logger().error('heard')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "raftcy heard\n")
