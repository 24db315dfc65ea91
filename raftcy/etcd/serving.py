"""The command of the server: reads the flags, runs a member until a signal or a failure ends it, and says so."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import BUILD, __version__
from . import configfile, zaplog
from .configuration import Configuration, configure
from .flags import FlagError, Given, from_environment, variable
from .server import Server

GC_THRESHOLDS = (10_000, 10, 10)
"""How many new objects start a collection. A hundred calls that wait have more than Python's 700, so most collections
would find nothing; 10,000 take a fraction of a millisecond."""
_LOG = logging.getLogger("raftcy.etcd")


def run(given: Given, argv: Sequence[str]) -> int:
    """Run the server with these flags, and return its exit status. See ``launch.main``."""
    try:
        configuration = _configured(given.values, given.special.get("config-file", ""), os.environ)
        handler = zaplog.set_up(configuration.log_outputs, configuration.log_level, configuration.log_format)
    except (FlagError, OSError) as error:
        sys.stderr.write(f"raftcy-etcd: {error}\n")
        return 2
    ended_by = 0
    try:
        with asyncio.Runner() as runner:
            status, ended_by = runner.run(_serve(configuration, argv))
    finally:
        handler.flush()
    if ended_by and os.getpid() != 1:
        # As etcd does: whoever waits for this process shall see which signal ended it.
        signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)
    return status


def _configured(given: Mapping[str, object], file: str, environment: Mapping[str, str]) -> Configuration:
    file = file or environment.get(variable("config-file"), "")
    if file:
        return configure(configfile.read(Path(file).read_bytes()))
    of_environment, unknown = from_environment(given, environment)
    for name in unknown:
        _LOG.warning("unrecognized environment variable", extra={"fields": {"environment-variable": name}})
    return configure({**of_environment, **given})


async def _serve(configuration: Configuration, argv: Sequence[str]) -> tuple[int, int]:
    """Run a member. Return the exit status and the signal that has ended it, 0 if none has."""
    _say("Running: ", args=["raftcy-etcd", *argv], raftcy=f"{__version__}, {BUILD} build")
    for name in configuration.without_effect:
        _LOG.warning("this flag has no effect here", extra={"fields": {"flag": f"--{name}"}})
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[int] = loop.create_future()
    for each in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(each, _take_signal, asked, each)
    # The restored store is the bulk of all objects, and a full garbage collection would look at each of them: 60 ms and
    # more at a million keys. What is frozen is not looked at. Connections, which come and go, come after it.
    server = Server(configuration, before_clients=gc.freeze)
    gc.set_threshold(*GC_THRESHOLDS)
    life = loop.create_task(server.run())
    either: list[asyncio.Future[Any]] = [life, asked]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            _say("received signal; shutting down", signal=signal.Signals(asked.result()).name)
    finally:
        life.cancel()
        await asyncio.wait([life])
        await server.close()
    error = None if life.cancelled() else life.exception()
    if error is not None:
        _LOG.critical("the server has failed", extra={"fields": {"error": f"{type(error).__name__}: {error}"}})
        return 1, 0
    return (0, asked.result()) if asked.done() else (1, 0)


def _take_signal(asked: "asyncio.Future[int]", number: int) -> None:
    if not asked.done():
        asked.set_result(number)


def _say(message: str, **fields: object) -> None:
    _LOG.info(message, extra={"fields": fields}, stacklevel=2)
