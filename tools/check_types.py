"""Checks with pyright that every name of raftcy.__all__, and every public member of these, has a known type.

    python tools/check_types.py

A type that pyright has to infer counts as unknown, because another checker might infer a different one.
"""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def public_names() -> set[str]:
    """Return the full names of the public API, such as "raftcy.wire.messages.Message"."""
    import raftcy

    objects = {name: getattr(raftcy, name) for name in raftcy.__all__}
    defined = {f"{each.__module__}.{each.__qualname__}" for each in objects.values() if hasattr(each, "__qualname__")}
    plain = {f"raftcy.{name}" for name, each in objects.items() if not hasattr(each, "__qualname__")}
    modules = {each.__name__ for each in objects.values() if inspect.ismodule(each)}
    return defined | plain | modules


def symbols() -> list[dict[str, Any]]:
    """Return pyright's report on each symbol of the package."""
    command = [sys.executable, "-m", "pyright", "--verifytypes", "raftcy", "--ignoreexternal", "--outputjson"]
    # pyright treats the checkout as an installed package, because this interpreter reports its path.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    try:
        return cast(list[dict[str, Any]], json.loads(done.stdout)["typeCompleteness"]["symbols"])
    except (ValueError, KeyError):
        sys.exit(f"pyright could not look at the package:\n{done.stdout}{done.stderr}")


def reasons(symbol: dict[str, Any]) -> list[str]:
    """Return why the type of a symbol is unknown, leaving out unknown types of other symbols."""
    messages = [each["message"].strip().replace("\n", " ") for each in symbol["diagnostics"]]
    return [each for each in messages if "Unknown" in each or each.startswith("Type is missing")]


def main() -> int:
    public = public_names()
    seen = 0
    bad = 0
    for symbol in symbols():
        parts = symbol["name"].split(".")
        inside = any(".".join(parts[:length]) in public for length in range(2, len(parts) + 1))
        if not inside or any(part.startswith("_") for part in parts):
            continue
        seen += 1
        if why := reasons(symbol):
            bad += 1
            print(f"{symbol['name']}: {'; '.join(why)}")
    print(f"{seen} public symbols, {bad} of them without a known type")
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
