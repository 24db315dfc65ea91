"""etcd's configuration file: YAML, or JSON, which YAML contains.

The keys are the names of the flags. ``client-transport-security``, ``peer-transport-security`` and
``socket-options`` have keys of their own. Durations are nanoseconds, as in etcd; texts such as ``10m`` are taken too.
"""

from collections.abc import Iterator
from typing import Any

from .flags import FLAGS, FlagError, duration, value_of

_CLIENT = {
    "cert-file": "cert-file",
    "key-file": "key-file",
    "client-cert-file": "client-cert-file",
    "client-key-file": "client-key-file",
    "client-cert-auth": "client-cert-auth",
    "trusted-ca-file": "trusted-ca-file",
    "auto-tls": "auto-tls",
    "client-crl-file": "client-crl-file",
    "allowed-hostname": "client-cert-allowed-hostname",
}
_PEER = {
    "cert-file": "peer-cert-file",
    "key-file": "peer-key-file",
    "client-cert-file": "peer-client-cert-file",
    "client-key-file": "peer-client-key-file",
    "client-cert-auth": "peer-client-cert-auth",
    "trusted-ca-file": "peer-trusted-ca-file",
    "auto-tls": "peer-auto-tls",
    "allowed-cn": "peer-cert-allowed-cn",
    "allowed-hostname": "peer-cert-allowed-hostname",
    "skip-client-san-verification": "peer-skip-client-san-verification",
}
_SECTIONS = {
    "client-transport-security": _CLIENT,
    "peer-transport-security": _PEER,
    "socket-options": {"reuse-port": "socket-reuse-port", "reuse-address": "socket-reuse-address"},
}


def read(document: bytes) -> dict[str, Any]:
    """Return the values of a configuration file by the names of the flags.

    Raises FlagError if it is not YAML, for keys that etcd or this program does not have, and for values that cannot be
    used.
    """
    try:
        import yaml
    except ImportError:
        raise FlagError("--config-file needs PyYAML: install raftcy[etcd]") from None
    try:
        found = yaml.safe_load(document)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise FlagError(f"the configuration file is not YAML: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise FlagError("the configuration file has no keys")
    values: dict[str, Any] = {}
    for where, name, value in _entries(found):
        if value is not None:
            values[name] = value_of(name, _as_text(name, value, where), where)
    return values


def _entries(found: dict[Any, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield what messages call a key, the flag that it stands for, and its value."""
    for key, value in found.items():
        section = _SECTIONS.get(key)
        if section is not None:
            if value is None:
                continue
            if not isinstance(value, dict):
                raise FlagError(f"{key} must have keys of its own")
            for inner, inner_value in value.items():
                if inner not in section:
                    raise FlagError(f"the configuration file has an unknown key: {key}.{inner}")
                yield f"{key}.{inner}", section[inner], inner_value
        elif key in FLAGS:
            yield str(key), str(key), value
        else:
            raise FlagError(f"the configuration file has an unknown key: {key}")


def _as_text(name: str, value: Any, where: str) -> str:
    """Return a value as it would stand on the command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}ns" if FLAGS[name].read is duration else str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    raise FlagError(f"{where} must be a text, a number, true or false, not {value!r}")
