"""The PEP 517 build backend: setuptools, with a pure build on request.

It requires Cython only if extensions are built. To build a wheel without them, set the environment variable
RAFTCY_PURE_PYTHON=1 or the config setting `pure-python=true`:

    pip install --config-settings pure-python=true raftcy
"""

import os
from collections.abc import Mapping
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
    return build_meta.build_sdist(sdist_directory, config_settings)


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
