"""The PEP 517 build backend: setuptools, with a pure build on request.

It requires Cython only if extensions are built. To build a wheel without them, set the environment variable
RAFTCY_PURE_PYTHON=1 or the config setting `pure-python=true`:

    pip install --config-settings pure-python=true raftcy
"""

import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from setuptools import build_meta

CYTHON = "cython>=3.3.1,<4"

Settings = Mapping[str, Any] | None


def _apply(settings: Settings) -> bool:
    """Pass the setting to setup.py through its environment variable. Returns whether the build is pure."""
    value = str((settings or {}).get("pure-python", "false")).lower()
    if value in ("", "1", "true", "yes", "on"):
        os.environ["RAFTCY_PURE_PYTHON"] = "1"
    elif value not in ("0", "false", "no", "off"):
        raise ValueError(f"config setting pure-python must be true or false, not {value!r}")
    return os.environ.get("RAFTCY_PURE_PYTHON", "") not in ("", "0")


def _requirements(settings: Settings, from_setuptools: list[str]) -> list[str]:
    return from_setuptools if _apply(settings) else [*from_setuptools, CYTHON]


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_sdist(config_settings)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    name = build_meta.build_sdist(sdist_directory, config_settings)
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        normalize(Path(sdist_directory, name), int(epoch))
    return name


def normalize(archive: Path, epoch: int) -> None:
    """Write a `.tar.gz` again so that its bytes depend on the contents alone: in order, with one time and no owner."""
    with tarfile.open(archive) as old:
        members = {each.name: (each, old.extractfile(each)) for each in old.getmembers()}
        contents = {name: b"" if file is None else file.read() for name, (_, file) in members.items()}
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for name in sorted(members):
            found, _ = members[name]
            clean = tarfile.TarInfo(name)
            clean.type, clean.size, clean.mtime = found.type, len(contents[name]), epoch
            clean.mode = 0o755 if found.isdir() or found.mode & 0o100 else 0o644
            new.addfile(clean, io.BytesIO(contents[name]))


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return _requirements(config_settings, build_meta.get_requires_for_build_wheel(config_settings))


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> str:
    _apply(config_settings)
    return build_meta.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    _apply(config_settings)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return _requirements(config_settings, build_meta.get_requires_for_build_editable(config_settings))


def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: Settings = None) -> str:
    _apply(config_settings)
    return build_meta.prepare_metadata_for_build_editable(metadata_directory, config_settings)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    _apply(config_settings)
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
