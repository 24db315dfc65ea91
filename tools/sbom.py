"""Writes the bill of materials of a wheel, in CycloneDX's JSON, as PEP 770 places it.

A wheel holds raftcy and nothing that was copied from elsewhere, but for what generators put into their output: Cython's
utility code in every extension module, and protoc's descriptor in one module. What pip installs beside it is not in it.
"""

import json
import re
import uuid
from pathlib import Path
from typing import Any

FOLDER = "sboms"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/raftcy/")


def protoc_version(source: str) -> str:
    """Return the version of protobuf that generated a module."""
    found = re.search(r"^# Protobuf Python Version: (\S+)$", source, re.MULTILINE)
    if found is None:
        raise ValueError("the generated module does not say of which version of protobuf it is")
    return found[1]


def bill(version: str, tag: str, cython: str | None, protobuf: str | None) -> dict[str, Any]:
    """Return the bill of a wheel with this tag, and the versions of what generated parts of it, None for nothing."""
    parts = []
    if protobuf is not None:
        parts.append(_part("protobuf", protobuf, "BSD-3-Clause", "descriptor in raftcy/wire/raft_pb2.py, by protoc"))
    if cython is not None:
        parts.append(_part("cython", cython, "Apache-2.0", "utility code in every extension module"))
    whole = _part("raftcy", version, "Apache-2.0", "etcd's raft for Python")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Of the contents, so that two builds give equal bytes.
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, f'{version} {tag} {cython} {protobuf}')}",
        "version": 1,
        "metadata": {"component": whole},
        "components": parts,
        "dependencies": [
            {"ref": whole["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }


def _part(name: str, version: str, license: str, about: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "description": about,
        "licenses": [{"license": {"id": license}}],
        "purl": f"pkg:pypi/{name}@{version}",
    }


def write(metadata: Path, version: str, tag: str, cython: str | None) -> None:
    """Write the bill into a wheel's ``.dist-info`` folder, from the root of the checkout."""
    module = Path("raftcy", "wire", "raft_pb2.py")
    protobuf = protoc_version(module.read_text(encoding="utf-8")) if module.exists() else None
    folder = metadata / FOLDER
    folder.mkdir(exist_ok=True)
    text = json.dumps(bill(version, tag, cython, protobuf), indent=2, sort_keys=True)
    (folder / "raftcy.cdx.json").write_text(text + "\n", encoding="utf-8")
