"""The flags of etcd 3.7, which of them are taken, and how their texts are read, as Go's ``flag`` package does.

Rules:

- A flag that is taken has its value in the configuration. A flag that tunes a part of etcd which does not exist here
  has no effect, and is named in the log. Every other flag of etcd is refused by name, with a reason, unless its value
  is the one that describes what happens here. A flag that etcd does not know is refused too.
- A flag comes from the command line, or from the environment as ``ETCD_`` and its name in capitals. Given in both, it
  is refused, as etcd does: nobody could tell which one counts.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class FlagError(Exception):
    """A flag, a variable or a key of the configuration file that cannot be used."""


class Flag(NamedTuple):
    """A flag: how its text becomes a value, and the value without it.

    ``refusal`` says why values other than those in ``harmless`` are refused. ``is_inert`` flags have no effect.
    """

    read: Callable[[str], Any]
    default: Any
    refusal: str = ""
    harmless: tuple[Any, ...] = ()
    is_inert: bool = False


# -- values ------------------------------------------------------------------------------------------------------------

_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}
_A_SECOND = {"ns": 1e9, "us": 1e6, "µs": 1e6, "μs": 1e6, "ms": 1e3, "s": 1.0, "m": 1 / 60, "h": 1 / 3600}
_DURATION = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")


def text(given: str) -> str:
    """Read a text."""
    return given


def boolean(given: str) -> bool:
    """Read a truth value."""
    if given in _TRUE:
        return True
    if given in _FALSE:
        return False
    raise ValueError("it must be true or false")


def number(given: str) -> int:
    """Read a whole number that is not negative."""
    if not re.fullmatch(r"\+?[0-9]+(_[0-9]+)*", given):
        raise ValueError("it must be a whole number of at least 0")
    found = int(given)
    if found >= 1 << 63:
        raise ValueError("the number is too large")
    return found


def signed(given: str) -> int:
    """Read a whole number."""
    return -number(given[1:]) if given.startswith("-") and given[1:2] != "+" else number(given)


def duration(given: str) -> float:
    """Read a duration, such as ``1m30s``, in seconds."""
    if given in ("0", "+0", "-0"):
        return 0.0
    total, end = 0.0, 0
    for part in _DURATION.finditer(given):
        if part.start() != end or part[1] in ("", "."):
            break
        total += float(part[1]) / _A_SECOND[part[2]]
        end = part.end()
    if not given or end != len(given):
        raise ValueError("it must be a duration such as 300ms, 5s or 1h30m")
    return total


def words(given: str) -> tuple[str, ...]:
    """Read a list with commas."""
    return tuple(dict.fromkeys(each.strip() for each in given.split(",") if each.strip()))


# -- the table ---------------------------------------------------------------------------------------------------------

_NOT_YET = "it is not supported yet"
_DISCOVERY = "discovery is not supported: give --initial-cluster"
_TRACING = "tracing is not supported"
_PEER_TLS = "TLS between members is not supported yet"
_TUNES = {
    "max-snapshots": number,
    "max-wals": number,
    "backend-bbolt-freelist-type": text,
    "backend-batch-interval": duration,
    "backend-batch-limit": number,
    "raft-read-timeout": duration,
    "raft-write-timeout": duration,
    "initial-election-tick-advance": boolean,
    "compact-hash-check-time": duration,
    "compaction-batch-limit": number,
    "compaction-sleep-interval": duration,
    "warning-apply-duration": duration,
    "warning-unary-request-duration": duration,
    "bootstrap-defrag-threshold-megabytes": number,
    "downgrade-check-time": duration,
    "client-cert-file": text,
    "client-key-file": text,
    "bcrypt-cost": number,
    "auth-token-ttl": number,
    "max-learners": number,
    "strict-reconfig-check": boolean,
    "memory-mlock": boolean,
    "socket-reuse-address": boolean,
    "self-signed-cert-validity": number,
    "log-rotation-config-json": text,
    "v2-deprecation": text,
    "discovery-dial-timeout": duration,
    "discovery-request-timeout": duration,
    "discovery-keepalive-time": duration,
    "discovery-keepalive-timeout": duration,
}

_HARMLESS_GATES = {
    "TxnModeWriteWithSharedBuffer=true", "StopGRPCServiceOnDefrag=false", "InitialCorruptCheck=false",
    "CompactHashCheck=false", "LeaseCheckpoint=false", "LeaseCheckpointPersist=false", "SetMemberLocalAddr=false",
    "FastLeaseKeepAlive=true", "FastLeaseKeepAlive=false", "PriorityRequest=false",
}  # fmt: skip


def _gates(given: str) -> str:
    unknown = [each for each in words(given) if each not in _HARMLESS_GATES]
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is not supported")
    return given


FLAGS: dict[str, Flag] = {
    # Member.
    "name": Flag(text, "default"),
    "data-dir": Flag(text, ""),
    "snapshot-count": Flag(number, 100_000),
    "snapshot-catchup-entries": Flag(number, 10_000),
    "heartbeat-interval": Flag(number, 100),
    "election-timeout": Flag(number, 1000),
    "listen-peer-urls": Flag(text, "http://localhost:2380"),
    "listen-client-urls": Flag(text, "http://localhost:2379"),
    "listen-client-http-urls": Flag(text, ""),
    "listen-metrics-urls": Flag(text, ""),
    "quota-backend-bytes": Flag(signed, 0),
    "max-txn-ops": Flag(number, 128),
    "max-request-bytes": Flag(number, 3 << 19),
    "max-concurrent-streams": Flag(number, (1 << 32) - 1),
    "grpc-keepalive-min-time": Flag(duration, 5.0),
    "grpc-keepalive-interval": Flag(duration, 7200.0),
    "grpc-keepalive-timeout": Flag(duration, 20.0),
    "enable-grpc-gateway": Flag(boolean, True),
    "feature-gates": Flag(_gates, ""),
    "wal-dir": Flag(text, "", "the log lies in --data-dir", ("",)),
    "socket-reuse-port": Flag(boolean, False, _NOT_YET, (False,)),
    # Cluster.
    "initial-advertise-peer-urls": Flag(text, "http://localhost:2380"),
    "initial-cluster": Flag(text, None),
    "initial-cluster-state": Flag(text, "new", "members are fixed: changing them is not supported yet", ("new",)),
    "initial-cluster-token": Flag(text, "etcd-cluster"),
    "advertise-client-urls": Flag(text, "http://localhost:2379"),
    "auto-compaction-mode": Flag(text, "periodic"),
    "auto-compaction-retention": Flag(text, "0"),
    "pre-vote": Flag(boolean, True, "elections always begin with a pre-vote", (True,)),
    "discovery": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-token": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-endpoints": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-insecure-transport": Flag(boolean, True, _DISCOVERY, (True,)),
    "discovery-insecure-skip-tls-verify": Flag(boolean, False, _DISCOVERY, (False,)),
    "discovery-cert": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-key": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-cacert": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-user": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-password": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-fallback": Flag(text, "exit", _DISCOVERY, ("exit",)),
    "discovery-proxy": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-srv": Flag(text, "", _DISCOVERY, ("",)),
    "discovery-srv-name": Flag(text, "", _DISCOVERY, ("",)),
    # Security.
    "cert-file": Flag(text, ""),
    "key-file": Flag(text, ""),
    "client-cert-auth": Flag(boolean, False),
    "trusted-ca-file": Flag(text, ""),
    "tls-min-version": Flag(text, "TLS1.2"),
    "tls-max-version": Flag(text, ""),
    "cors": Flag(words, None),
    "host-whitelist": Flag(words, ("*",)),
    "client-crl-file": Flag(text, "", _NOT_YET, ("",)),
    "client-cert-allowed-hostname": Flag(text, "", _NOT_YET, ("",)),
    "auto-tls": Flag(boolean, False, "certificates are not made: give --cert-file and --key-file", (False,)),
    "cipher-suites": Flag(text, "", "the suites are OpenSSL's defaults", ("",)),
    "peer-cert-file": Flag(text, "", _PEER_TLS, ("",)),
    "peer-key-file": Flag(text, "", _PEER_TLS, ("",)),
    "peer-client-cert-auth": Flag(boolean, False, _PEER_TLS, (False,)),
    "peer-client-cert-file": Flag(text, "", _PEER_TLS, ("",)),
    "peer-client-key-file": Flag(text, "", _PEER_TLS, ("",)),
    "peer-trusted-ca-file": Flag(text, "", _PEER_TLS, ("",)),
    "peer-cert-allowed-cn": Flag(text, "", _PEER_TLS, ("",)),
    "peer-cert-allowed-hostname": Flag(text, "", _PEER_TLS, ("",)),
    "peer-auto-tls": Flag(boolean, False, _PEER_TLS, (False,)),
    "peer-crl-file": Flag(text, "", _PEER_TLS, ("",)),
    "peer-skip-client-san-verification": Flag(boolean, False, _PEER_TLS, (False,)),
    "auth-token": Flag(text, "simple", "users are not supported yet", ("simple", "")),
    # Watching it.
    "enable-pprof": Flag(boolean, False, "Go's profiles do not exist here", (False,)),
    "metrics": Flag(text, "basic", "there are no extensive metrics", ("basic",)),
    "logger": Flag(text, "zap", "the log has zap's form", ("zap",)),
    "log-outputs": Flag(words, ("default",)),
    "log-level": Flag(text, "info"),
    "log-format": Flag(text, "json"),
    "enable-log-rotation": Flag(boolean, False, "rotate the file by other means", (False,)),
    "enable-distributed-tracing": Flag(boolean, False, _TRACING, (False,)),
    "distributed-tracing-address": Flag(text, "localhost:4317", _TRACING, ("localhost:4317",)),
    "distributed-tracing-service-name": Flag(text, "etcd", _TRACING, ("etcd",)),
    "distributed-tracing-instance-id": Flag(text, "", _TRACING, ("",)),
    "distributed-tracing-sampling-rate": Flag(number, 0, _TRACING, (0,)),
    # Features.
    "corrupt-check-time": Flag(duration, 0.0),
    "watch-progress-notify-interval": Flag(duration, 600.0),
    "force-new-cluster": Flag(boolean, False, "use the command `raftcy recover`", (False,)),
    "unsafe-no-fsync": Flag(boolean, False, "what is acknowledged is always synced", (False,)),
    **{name: Flag(read, None, is_inert=True) for name, read in _TUNES.items()},
}
"""The flags by name."""

SPECIAL = {"version": False, "help": False, "h": False, "config-file": ""}
"""Flags that are no settings, with what they are without being given."""


class Given(NamedTuple):
    """What a command line gives: the values of flags by name, and those of ``SPECIAL``."""

    values: dict[str, Any]
    special: dict[str, Any]


def value_of(name: str, given: str, where: str) -> Any:
    """Return the value of a flag. Raises FlagError if it cannot be used; ``where`` is how the message calls it."""
    flag = FLAGS[name]
    try:
        value = flag.read(given)
    except ValueError as error:
        raise FlagError(f"invalid value {given!r} for {where}: {error}") from None
    if flag.refusal and value not in flag.harmless:
        raise FlagError(f"{where}={given} is not supported: {flag.refusal}")
    return value


def parse(arguments: Sequence[str]) -> Given:
    """Read a command line. Raises FlagError for what cannot be used."""
    values: dict[str, Any] = {}
    special: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, inline = word.lstrip("-").partition("=")
        if not word.startswith("-") or not name or word.startswith("---"):
            raise FlagError(f"{word!r} is not a valid flag")
        if name not in FLAGS and name not in SPECIAL:
            raise FlagError(f"flag provided but not defined: -{name}")
        is_boolean = isinstance(SPECIAL.get(name, ""), bool) if name in SPECIAL else FLAGS[name].read is boolean
        if equals:
            given = inline
        elif is_boolean:
            given = "true"
        elif rest:
            given = rest.pop(0)
        else:
            raise FlagError(f"flag needs an argument: -{name}")
        if name in SPECIAL:
            special[name] = given if name == "config-file" else boolean(given)
        else:
            values[name] = value_of(name, given, f"--{name}")
    return Given(values, special)


def variable(name: str) -> str:
    """Return the environment variable of a flag."""
    return "ETCD_" + name.upper().replace("-", "_")


def from_environment(given: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the flags that the environment gives, and the variables that look like etcd's and are none.

    Raises FlagError for values that cannot be used, and for a flag that ``given`` has as well.
    """
    names = {variable(name): name for name in FLAGS}
    values: dict[str, Any] = {}
    unknown = []
    for key, text_given in environment.items():
        if not key.startswith("ETCD_") or not text_given:
            continue
        name = names.get(key)
        if name is None:
            if key != variable("config-file"):
                unknown.append(key)
        elif name in given:
            raise FlagError(f"{key} is shadowed by --{name}: unset the variable, or leave out the flag")
        else:
            values[name] = value_of(name, text_given, key)
    return values, sorted(unknown)
