"""The configuration of a server: the values of the flags, checked together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .flags import FLAGS, FlagError, duration
from .quota import DEFAULT_QUOTA_BYTES
from .urls import Url, check_bound, check_reached, member_id, parse_cluster, parse_urls

ELECTION_MS_MAX = 50_000
REQUEST_BYTES_MAX = 31 << 20
LOG_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40, "dpanic": 50, "panic": 50, "fatal": 50}
TLS_VERSIONS = ("", "TLS1.2", "TLS1.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What automatic compaction keeps: the revisions of the last ``seconds``, or the newest ``revisions``."""

    seconds: float = 0.0
    revisions: int = 0

    def __bool__(self) -> bool:
        return bool(self.seconds or self.revisions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """The files of the TLS that clients meet, and whether they need a certificate of their own."""

    certificate: str
    key: str
    authorities: str
    needs_certificate: bool
    version_min: str
    version_max: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a server is started with. Times are in seconds unless their names end with ``_ms``; sizes are in bytes."""

    name: str
    directory: str
    token: str
    cluster: Mapping[str, tuple[Url, ...]]
    """The peer URLs of the first members by name."""
    listen_peers: tuple[Url, ...]
    advertise_peers: tuple[Url, ...]
    listen_clients: tuple[Url, ...]
    listen_http: tuple[Url, ...]
    """Where HTTP is served alone; the others then have gRPC alone."""
    listen_metrics: tuple[Url, ...]
    advertise_clients: tuple[Url, ...]
    tls: ClientTls | None
    tick_ms: int
    election_ms: int
    snapshot_entries: int
    kept_entries: int
    txn_ops_max: int
    request_bytes_max: int
    quota_bytes: int
    """How large the store may become, below 0 for any size."""
    streams_max: int
    retention: Retention
    corrupt_check_s: float
    progress_notify_s: float
    keepalive_min_s: float
    keepalive_interval_s: float
    keepalive_timeout_s: float
    has_gateway: bool
    cors: tuple[str, ...]
    hosts: tuple[str, ...]
    log_outputs: tuple[str, ...]
    log_level: int
    log_format: str
    without_effect: tuple[str, ...]
    """The flags that were given and have no effect."""

    @property
    def member_ids(self) -> dict[str, int]:
        """The ids of the first members by name."""
        return {name: member_id(self.token, urls) for name, urls in self.cluster.items()}

    @property
    def read_s_max(self) -> float:
        """How long a request may take, as in etcd: five seconds, and what two elections may take."""
        return 5.0 + 2 * self.election_ms / 1000


def configure(given: Mapping[str, Any]) -> Configuration:
    """Return the configuration that the given flags make, with defaults for the others.

    Raises FlagError for values that do not fit together.
    """
    of = {name: given.get(name, flag.default) for name, flag in FLAGS.items()}
    listen_clients = _listened(of, "listen-client-urls")
    advertise_clients = parse_urls(of["advertise-client-urls"], "--advertise-client-urls")
    if "listen-client-urls" in given and "advertise-client-urls" not in given:
        raise FlagError("--advertise-client-urls is required when --listen-client-urls is set explicitly")
    check_reached(advertise_clients, "--advertise-client-urls")
    listen_http = _listened(of, "listen-client-http-urls")
    listen_metrics = _listened(of, "listen-metrics-urls")
    _check_times(of)
    if of["log-level"] not in LOG_LEVELS:
        raise FlagError(f"--log-level must be one of {', '.join(LOG_LEVELS)}, not {of['log-level']}")
    if of["log-format"] not in ("json", "console"):
        raise FlagError(f"--log-format must be json or console, not {of['log-format']}")
    for flag in ("max-txn-ops", "max-request-bytes", "snapshot-count", "snapshot-catchup-entries"):
        if of[flag] < 1:
            raise FlagError(f"--{flag} must be >0")
    if of["max-request-bytes"] > REQUEST_BYTES_MAX:
        raise FlagError(f"--max-request-bytes must be at most {REQUEST_BYTES_MAX}: no message between members has more")
    return Configuration(
        name=of["name"],
        directory=of["data-dir"] or f"{of['name']}.etcd",
        token=of["initial-cluster-token"],
        **_peers(of),
        listen_clients=listen_clients,
        listen_http=listen_http,
        listen_metrics=listen_metrics,
        advertise_clients=advertise_clients,
        tls=_tls(of, (*listen_clients, *listen_http, *listen_metrics)),
        tick_ms=of["heartbeat-interval"],
        election_ms=of["election-timeout"],
        snapshot_entries=of["snapshot-count"],
        kept_entries=of["snapshot-catchup-entries"],
        txn_ops_max=of["max-txn-ops"],
        request_bytes_max=of["max-request-bytes"],
        quota_bytes=of["quota-backend-bytes"] or DEFAULT_QUOTA_BYTES,
        streams_max=of["max-concurrent-streams"],
        retention=_retention(of["auto-compaction-mode"], of["auto-compaction-retention"]),
        corrupt_check_s=of["corrupt-check-time"],
        progress_notify_s=of["watch-progress-notify-interval"] or FLAGS["watch-progress-notify-interval"].default,
        keepalive_min_s=of["grpc-keepalive-min-time"],
        keepalive_interval_s=of["grpc-keepalive-interval"],
        keepalive_timeout_s=of["grpc-keepalive-timeout"],
        has_gateway=of["enable-grpc-gateway"],
        cors=of["cors"] or (),
        hosts=of["host-whitelist"],
        log_outputs=of["log-outputs"],
        log_level=LOG_LEVELS[of["log-level"]],
        log_format=of["log-format"],
        without_effect=tuple(sorted(name for name in given if FLAGS[name].is_inert)),
    )


def _listened(of: Mapping[str, Any], flag: str) -> tuple[Url, ...]:
    urls = parse_urls(of[flag], f"--{flag}")
    check_bound(urls, f"--{flag}")
    return urls


def _check_times(of: Mapping[str, Any]) -> None:
    tick_ms, election_ms = of["heartbeat-interval"], of["election-timeout"]
    if tick_ms == 0:
        raise FlagError(f"--heartbeat-interval must be >0 (set to {tick_ms}ms)")
    if 5 * tick_ms > election_ms:
        raise FlagError(
            f"--election-timeout[{election_ms}ms] should be at least as 5 times as --heartbeat-interval[{tick_ms}ms]"
        )
    if election_ms > ELECTION_MS_MAX:
        raise FlagError(
            f"--election-timeout[{election_ms}ms] is too long, and should be set less than {ELECTION_MS_MAX}ms"
        )


def _peers(of: Mapping[str, Any]) -> dict[str, Any]:
    listened = _listened(of, "listen-peer-urls")
    advertised = parse_urls(of["initial-advertise-peer-urls"], "--initial-advertise-peer-urls")
    check_reached(advertised, "--initial-advertise-peer-urls")
    for flag, urls in (("listen-peer-urls", listened), ("initial-advertise-peer-urls", advertised)):
        for url in urls:
            if url.is_secure:
                raise FlagError(f"--{flag}={url} is not supported: TLS between members is not supported yet")
    if len(listened) != 1:
        raise FlagError("--listen-peer-urls must have one URL")
    cluster = parse_cluster(of["initial-cluster"]) if of["initial-cluster"] else {of["name"]: advertised}
    own = cluster.get(of["name"])
    if own is None:
        raise FlagError(f"--initial-cluster must include the member {of['name']}: {', '.join(cluster)}")
    if own != advertised:
        raise FlagError(
            f"--initial-cluster has {','.join(map(str, own))} for {of['name']}, "
            f"and --initial-advertise-peer-urls {','.join(map(str, advertised))}"
        )
    for urls in cluster.values():
        for url in urls:
            if url.is_secure:
                raise FlagError(f"--initial-cluster={url} is not supported: TLS between members is not supported yet")
    return {"cluster": cluster, "listen_peers": listened, "advertise_peers": advertised}


def _tls(of: Mapping[str, Any], urls: tuple[Url, ...]) -> ClientTls | None:
    certificate, key = of["cert-file"], of["key-file"]
    for flag in ("tls-min-version", "tls-max-version"):
        if of[flag] not in TLS_VERSIONS:
            raise FlagError(f"--{flag} must be TLS1.2 or TLS1.3, not {of[flag]}")
    if of["tls-max-version"] and of["tls-min-version"] > of["tls-max-version"]:
        raise FlagError("--tls-min-version is above --tls-max-version")
    if bool(certificate) != bool(key):
        raise FlagError("--cert-file and --key-file must be given together")
    if of["client-cert-auth"] and not of["trusted-ca-file"]:
        raise FlagError("--client-cert-auth needs --trusted-ca-file: without it no certificate can be verified")
    secure = [url for url in urls if url.is_secure]
    if secure and not certificate:
        raise FlagError(f"{secure[0]} needs --cert-file and --key-file")
    if not certificate:
        return None
    return ClientTls(
        certificate=certificate,
        key=key,
        authorities=of["trusted-ca-file"],
        needs_certificate=of["client-cert-auth"],
        version_min=of["tls-min-version"] or "TLS1.2",
        version_max=of["tls-max-version"],
    )


def _retention(mode: str, given: str) -> Retention:
    """Read --auto-compaction-retention: revisions, a duration, or a number of hours."""
    if mode not in ("periodic", "revision"):
        raise FlagError(f"unknown auto-compaction-mode {mode!r}")
    if given.isdecimal():
        return Retention(revisions=int(given)) if mode == "revision" else Retention(seconds=int(given) * 3600.0)
    try:
        seconds = duration(given)
    except ValueError as error:
        raise FlagError(f"invalid value {given!r} for --auto-compaction-retention: {error}") from None
    if mode == "revision":
        raise FlagError(f"invalid value {given!r} for --auto-compaction-retention: it must be a number of revisions")
    return Retention(seconds=seconds)
