"""Runs a target under atheris, which is libFuzzer, in this process, until time is up or a failure is found.

Only the pure build is instrumented; it has the same source as the compiled one, and is compared with it.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from .corpus import seeds
from .targets import TARGETS

# An input that takes longer counts as a failure, and so does one that makes the process larger than this.
SLOWEST_SECONDS = 30
LARGEST_MIB = 2048
LONGEST_BYTES = {"decode": 1024, "frames": 1024}


def functions(package: ModuleType) -> Iterator[Any]:
    """Every function of a package's modules, including methods and properties."""
    prefix = package.__name__ + "."
    for each in (
        *("wire.codec", "transport.conversation", "core.rawnode", "recorder.recording"),
        *("etcd.jsonmap", "etcd.listening"),
    ):
        importlib.import_module(prefix + each)
    rooms = ("core.", "wire.", "recorder.", "transport.", "etcd.")
    for name, module in list(sys.modules.items()):
        if not name.startswith(tuple(prefix + each for each in rooms)):
            continue
        spaces = [vars(module), *(vars(each) for each in vars(module).values() if isinstance(each, type))]
        for space in spaces:
            for item in list(space.values()):
                parts = (item.fget, item.fset) if isinstance(item, property) else (getattr(item, "__func__", item),)
                for part in parts:
                    if isinstance(part, FunctionType) and (part.__module__ or "").startswith(prefix):
                        yield part


def fuzz(target: str, builds: list[ModuleType], seconds: int, folder: Path) -> None:
    """Never returns: libFuzzer ends the process, with status 0 if it found nothing."""
    import atheris

    inputs = folder / target
    inputs.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(target, builds[0])):
        (inputs / f"seed-{number}").write_bytes(data)
    for function in {id(each): each for each in functions(builds[-1])}.values():
        atheris.instrument_func(function)
    run = TARGETS[target]

    def one(data: bytes) -> None:
        run(builds, data)

    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={LARGEST_MIB}",
        f"-max_len={LONGEST_BYTES.get(target, 400)}",
        f"-artifact_prefix={folder}/{target}-",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(inputs)], one)
    atheris.Fuzz()
