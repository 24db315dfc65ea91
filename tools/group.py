"""Prints the requirements of a dependency group of pyproject.toml, one a line, for a pip that cannot read groups yet.

python tools/group.py GROUP
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def requirements(groups: dict[str, list[Any]], name: str) -> Iterator[str]:
    """The requirements of a group, and of those that it includes."""
    for each in groups[name]:
        if isinstance(each, str):
            yield each
        else:
            yield from requirements(groups, each["include-group"])


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    print("\n".join(dict.fromkeys(requirements(project["dependency-groups"], sys.argv[1]))))
