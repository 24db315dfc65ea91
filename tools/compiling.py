"""Translates modules to C with Cython and compiles them, on all cores, and shows how far that is. For setup.py.

Rules:

- The largest module begins first, so that no core waits for it at the end.
- A module is compiled as soon as it is translated, while others are still translated.
- After the first error, and after ctrl-C, nothing new begins. What runs is waited for, which takes a second or two: a
  file that is only half written would count as up to date in the next build.
"""

import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

_MOST_PROCESSES = 61  # Windows cannot wait for more


class Refused(Exception):
    """Cython refused a source. It has said why on standard error."""


def build(
    modules: Sequence[Any],
    directives: Callable[[Any], dict[str, Any]],
    options: dict[str, Any],
    compile_one: Callable[[Any], bool],
    jobs: int,
    what: str,
) -> None:
    """Set ``sources`` of each module to its C file and compile it, ``jobs`` modules at a time.

    ``directives`` gives Cython's directives for a module, and ``options`` are those of ``cythonize``. ``compile_one``
    runs in threads and returns whether there was anything to do. ``what`` names it all to a user. Raises Refused, or
    what ``compile_one`` raises.
    """
    ordered = sorted(modules, key=lambda module: -os.path.getsize(module.sources[0]))
    jobs = min(jobs, len(ordered), _MOST_PROCESSES)
    told = _Told(what, len(ordered), jobs)
    stopped = threading.Event()
    with (
        ProcessPoolExecutor(jobs, initializer=_begin) as processes,
        ThreadPoolExecutor(jobs) as threads,
        told.progress,
    ):
        processes.submit(os.getpid).result()  # starts the processes while this one has no threads

        def make(module: Any) -> bool:
            made = processes.submit(_translate, module, directives(module), options).result()
            if made is None:
                raise Refused
            module.sources = made
            return not stopped.is_set() and compile_one(module)

        pending = [threads.submit(make, module) for module in ordered]
        try:
            for each in as_completed(pending):
                told.took(each)
        except BaseException as error:
            stopped.set()
            threads.shutdown(wait=False, cancel_futures=True)
            processes.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, KeyboardInterrupt):
                raise
            told.progress.erase()
            sys.stderr.write("raftcy: interrupted; the next build goes on from here\n")
            raise SystemExit(130) from None
    told.end()


class _Told:
    """What a user sees of it: a line at the beginning and at the end, and between them a count, on a terminal."""

    def __init__(self, what: str, count: int, jobs: int) -> None:
        self.progress: Any = _progress()("raftcy: compiling")
        self._what = what
        self._count = count
        self._jobs = jobs
        self._done = self._compiled = 0
        self._begun = time.monotonic()

    def took(self, module: "Future[bool]") -> None:
        """Count a module that has ended. Raises its error."""
        compiled = module.result()
        self._done += 1
        if compiled and self._compiled == 0:
            self._say(f"compiling {self._what}, {self._jobs} modules at a time")
        self._compiled += compiled
        self.progress.show(f"{self._done} of {self._count} modules")

    def end(self) -> None:
        """Say how long it took, if anything was compiled."""
        if self._compiled:
            modules = "1 module" if self._compiled == 1 else f"{self._compiled} modules"
            self._say(f"{modules} compiled in {time.monotonic() - self._begun:.0f} s")

    def _say(self, text: str) -> None:
        self.progress.erase()
        sys.stderr.write(f"raftcy: {text}\n")
        sys.stderr.flush()


def _progress() -> Any:
    """The class Progress of the package, which cannot be imported before it is built."""
    path = Path("raftcy", "_progress.py")
    spec = importlib.util.spec_from_file_location("raftcy_progress", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Progress


def _begin() -> None:
    """What a process does first: ctrl-C is its parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _translate(module: Any, directives: dict[str, Any], options: dict[str, Any]) -> list[str] | None:
    """Translate one module, in a process of the pool. Returns its C files, or None if Cython refused it."""
    import Cython.Build
    from Cython.Compiler.Errors import CompileError
    from Cython.Compiler.Options import get_directive_defaults

    get_directive_defaults().update(no_gc=False, freelist=0)  # otherwise Cython accepts them only on a class
    try:
        (made,) = Cython.Build.cythonize([module], compiler_directives=directives, **options)
    except CompileError:
        return None
    return list(made.sources)
