"""etcd's flags, environment variables and configuration file."""

import re
from pathlib import Path
from typing import Any

import pytest

from raftcy.etcd import configfile, flags
from raftcy.etcd.configuration import Configuration, Retention, configure
from raftcy.etcd.flags import FLAGS, FlagError, from_environment, parse
from raftcy.etcd.urls import member_id, parse_cluster, parse_url

PEER = "http://127.0.0.1:2380"


def configured(*arguments: str) -> Configuration:
    return configure(parse(arguments).values)


# -- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [["--name", "a"], ["--name=a"], ["-name", "a"], ["-name=a"]])
def test_the_forms_of_a_flag(form: list[str]) -> None:
    assert parse(form).values == {"name": "a"}


@pytest.mark.parametrize(
    ("form", "value"),
    [("--client-cert-auth", True), ("--client-cert-auth=0", False), ("--client-cert-auth=T", True)],
)
def test_a_truth_value_needs_no_text(form: str, value: bool) -> None:
    assert parse([form]).values == {"client-cert-auth": value}


def test_the_last_one_counts() -> None:
    assert parse(["--name=a", "--name", "b"]).values == {"name": "b"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--nothing=1"], "flag provided but not defined: -nothing"),
        (["--experimental-initial-corrupt-check"], "not defined: -experimental-initial-corrupt-check"),
        (["start"], "'start' is not a valid flag"),
        (["--client-cert-auth", "true"], "'true' is not a valid flag"),
        (["--"], "not a valid flag"),
        (["--name"], "flag needs an argument: -name"),
        (["--client-cert-auth=yes"], "invalid value 'yes' for --client-cert-auth"),
        (["--snapshot-count=-1"], "--snapshot-count: it must be a whole number"),
        (["--snapshot-count=1e3"], "--snapshot-count"),
        (["--snapshot-count=99999999999999999999"], "too large"),
        (["--corrupt-check-time=5"], "--corrupt-check-time: it must be a duration"),
        (["--unsafe-no-fsync"], "--unsafe-no-fsync=true is not supported: what is acknowledged is always synced"),
        (["--force-new-cluster=true"], "raftcy recover"),
        (["--wal-dir=/x"], "--wal-dir=/x is not supported"),
        (["--initial-cluster-state=existing"], "not supported"),
        (["--discovery-srv=example"], "--discovery-srv=example is not supported: discovery"),
        (["--auth-token=jwt,pub-key=x"], "users are not supported"),
        (["--peer-cert-file=x"], "TLS between members"),
        (["--feature-gates=LeaseCheckpoint=true"], "LeaseCheckpoint=true is not supported"),
        (["--listen-client-urls=http://127.0.0.1:1"], "--advertise-client-urls is required"),
        (["--listen-peer-urls=http://127.0.0.1:1,http://127.0.0.1:2"], "must have one URL"),
        (["--listen-peer-urls=http://example:1"], "expected IP in URL"),
        (["--listen-peer-urls=https://127.0.0.1:1"], "TLS between members"),
        (["--initial-cluster=other=http://h:1"], "must include the member default"),
        (["--initial-cluster=default=http://h:1"], "--initial-cluster has http://h:1 for default"),
        (["--initial-cluster=default"], 'form "name=url"'),
        (["--heartbeat-interval=0"], "--heartbeat-interval must be >0"),
        (["--election-timeout=400"], "should be at least as 5 times"),
        (["--election-timeout=50001"], "too long"),
        (["--cert-file=a"], "together"),
        (["--client-cert-auth", "--cert-file=a", "--key-file=b"], "needs --trusted-ca-file"),
        (["--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=https://h:1"], "needs --cert-file"),
        (["--tls-min-version=TLS1.1"], "--tls-min-version must be"),
        (["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"], "above"),
        (["--auto-compaction-mode=never"], "unknown auto-compaction-mode 'never'"),
        (["--auto-compaction-mode=revision", "--auto-compaction-retention=1h"], "number of revisions"),
        (["--auto-compaction-retention=much"], "--auto-compaction-retention"),
        (["--max-request-bytes=99999999"], "--max-request-bytes must be at most"),
        (["--max-txn-ops=0"], "--max-txn-ops must be >0"),
        (["--log-level=loud"], "--log-level must be one of"),
        (["--log-format=xml"], "--log-format must be"),
        (["--advertise-client-urls=unix:/x"], "sockets of the file system"),
        (["--advertise-client-urls=http://h:1/path"], "must not contain a path"),
        (["--advertise-client-urls=http://h"], "host:port"),
        (["--advertise-client-urls=http://:1"], "unexpected empty host"),
        (["--advertise-client-urls=ftp://h:1"], "scheme must be"),
        (["--advertise-client-urls=http://h:99999"], "has no URL"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(arguments: list[str], text: str) -> None:
    with pytest.raises(FlagError, match=re.escape(text)):
        configured(*arguments)


@pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.refusal])
def test_what_is_not_supported_may_be_given_as_it_is(name: str) -> None:
    """A script that writes every flag with etcd's default works."""
    flag = FLAGS[name]
    given = str(flag.default).lower() if isinstance(flag.default, bool) else flag.default
    assert parse([f"--{name}={given}"]).values == {name: flag.default}


def test_flags_of_parts_that_do_not_exist_have_no_effect_and_are_named() -> None:
    found = configured("--max-wals=3", "--backend-batch-interval=10ms", "--name=a")
    assert found.without_effect == ("backend-batch-interval", "max-wals")
    assert configured().without_effect == ()


@pytest.mark.parametrize(
    ("given", "seconds"), [("0", 0), ("300ms", 0.3), ("1h30m", 5400), ("1.5s", 1.5), ("10µs", 1e-5), (".5s", 0.5)]
)
def test_durations(given: str, seconds: float) -> None:
    assert flags.duration(given) == pytest.approx(seconds)


@pytest.mark.parametrize("given", ["", "5", "s", "1h ", "h1", "-5s", "1d", ".s", "1s2"])
def test_what_is_no_duration(given: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        flags.duration(given)


def test_defaults() -> None:
    found = configured()
    assert (found.name, found.directory, found.token) == ("default", "default.etcd", "etcd-cluster")
    assert {name: list(map(str, urls)) for name, urls in found.cluster.items()} == {
        "default": ["http://localhost:2380"]
    }
    assert [str(url) for url in found.listen_clients] == ["http://localhost:2379"]
    assert found.listen_clients[0].bind_host == "127.0.0.1"
    assert (found.tick_ms, found.election_ms, found.txn_ops_max, found.request_bytes_max) == (100, 1000, 128, 1572864)
    assert (found.tls, found.cors, found.hosts, bool(found.retention)) == (None, (), ("*",), False)
    assert found.read_s_max == 7.0


def test_a_member_of_three() -> None:
    cluster = "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380"
    found = configured(
        *("--name=b", "--data-dir=/data", "--listen-client-urls=http://10.0.0.2:2379,http://127.0.0.1:2379"),
        *("--advertise-client-urls=http://etcd-b:2379", "--listen-peer-urls=http://0.0.0.0:2380"),
        *("--initial-advertise-peer-urls=http://10.0.0.2:2380", f"--initial-cluster={cluster}"),
        *("--initial-cluster-token=t", "--initial-cluster-state=new", "--auto-compaction-retention=5m"),
    )
    assert len(found.listen_clients) == 2
    assert found.retention == Retention(seconds=300)
    ids = found.member_ids
    assert len(set(ids.values())) == 3
    assert ids["a"] == member_id("t", parse_cluster(cluster)["a"])
    assert all(0 < each < 2**64 - 2 for each in ids.values())


@pytest.mark.parametrize(
    ("mode", "given", "wanted"),
    [
        ("periodic", "0", Retention()), ("periodic", "2", Retention(seconds=7200)), ("revision", "0", Retention()),
        ("revision", "500", Retention(revisions=500)), ("periodic", "90s", Retention(seconds=90)),
    ],
)  # fmt: skip
def test_retention(mode: str, given: str, wanted: Retention) -> None:
    found = configured(f"--auto-compaction-mode={mode}", f"--auto-compaction-retention={given}")
    assert found.retention == wanted


def test_a_member_may_have_several_peer_urls() -> None:
    found = parse_cluster("a=http://h:2,b=http://i:1,a=http://h:1,a=http://h:1")
    assert {name: list(map(str, urls)) for name, urls in found.items()} == {
        "a": ["http://h:1", "http://h:2"],
        "b": ["http://i:1"],
    }
    with pytest.raises(FlagError, match="belongs to a and to b"):
        parse_cluster("a=http://h:1,b=http://h:1")


def test_ids_depend_on_token_and_urls_alone() -> None:
    one, two = parse_url(PEER, "x"), parse_url("http://127.0.0.1:2381", "x")
    assert member_id("t", (one, two)) == member_id("t", (one, two))
    assert (
        len({member_id("t", (one,)), member_id("u", (one,)), member_id("t", (two,)), member_id("t", (one, two))}) == 4
    )


def test_addresses_of_version_6_keep_their_brackets() -> None:
    url = parse_url("http://[::1]:2379", "x")
    assert (url.host, url.authority, str(url)) == ("::1", "[::1]:2379", "http://[::1]:2379")


# -- the environment -------------------------------------------------------------------------------------------------


def test_variables_have_the_names_of_flags() -> None:
    environment = {
        "ETCD_INITIAL_CLUSTER_TOKEN": "t", "ETCD_CLIENT_CERT_AUTH": "true", "ETCD_NAME": "", "ETCDCTL_API": "3",
        "ETCD_SERVICE_HOST": "10.0.0.1", "ETCD_CONFIG_FILE": "x", "PATH": "/bin",
    }  # fmt: skip
    values, unknown = from_environment({}, environment)
    assert values == {"initial-cluster-token": "t", "client-cert-auth": True}
    assert unknown == ["ETCD_SERVICE_HOST"]


def test_a_variable_that_a_flag_shadows_is_refused() -> None:
    with pytest.raises(FlagError, match="ETCD_NAME is shadowed by --name"):
        from_environment({"name": "a"}, {"ETCD_NAME": "b"})


@pytest.mark.parametrize(
    ("name", "value"), [("ETCD_SNAPSHOT_COUNT", "x"), ("ETCD_UNSAFE_NO_FSYNC", "true"), ("ETCD_AUTO_TLS", "1")]
)
def test_a_variable_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(FlagError, match=name):
        from_environment({}, {name: value})


# -- the file --------------------------------------------------------------------------------------------------------

FILE = b"""
name: b  # a comment
data-dir: /data
snapshot-count: 5000
corrupt-check-time: 60000000000
watch-progress-notify-interval: 5m
strict-reconfig-check: true
cors: https://ui.example
listen-client-urls: http://127.0.0.1:2379
advertise-client-urls: http://127.0.0.1:2379
initial-advertise-peer-urls: http://10.0.0.2:2380
initial-cluster: a=http://10.0.0.1:2380,b=http://10.0.0.2:2380
client-transport-security:
  cert-file: /c
  key-file: /k
  client-cert-auth: true
  trusted-ca-file: /ca
peer-transport-security:
log-outputs: [stderr]
discovery-srv:
"""


def test_a_file() -> None:
    found = configure(configfile.read(FILE))
    assert (found.name, found.directory, found.snapshot_entries) == ("b", "/data", 5000)
    assert (found.corrupt_check_s, found.progress_notify_s) == (60.0, 300.0)
    assert found.tls is not None
    assert (found.tls.certificate, found.tls.authorities, found.tls.needs_certificate) == ("/c", "/ca", True)
    assert (found.cors, found.log_outputs, list(found.cluster)) == (("https://ui.example",), ("stderr",), ["a", "b"])


def test_a_file_may_be_json_or_empty() -> None:
    assert configfile.read(b'{"name": "a", "snapshot-count": 5}') == {"name": "a", "snapshot-count": 5}
    assert configfile.read(b"# nothing\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"nothing: 1", "unknown key: nothing"),
        (b"client-transport-security: {nothing: 1}", "unknown key: client-transport-security.nothing"),
        (b"client-transport-security: 5", "client-transport-security must have keys"),
        (b"peer-transport-security: {cert-file: x}", "peer-transport-security.cert-file=x is not supported"),
        (b"unsafe-no-fsync: true", "unsafe-no-fsync=true is not supported"),
        (b"snapshot-count: [1, 2]", "snapshot-count must be a text"),
        (b"snapshot-count: 1.5", "snapshot-count must be a text"),
        (b"client-cert-auth: maybe", "invalid value 'maybe' for client-cert-auth"),
        (b"- a\n- b\n", "no keys"),
        (b"a: [", "not YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "not YAML"),
        (b"\xff\xfe\xff", "not YAML"),
    ],
)
def test_a_file_that_cannot_be_used(text: bytes, message: str) -> None:
    with pytest.raises(FlagError, match=re.escape(message)):
        configfile.read(text)


def test_every_flag_of_the_reference_has_a_row() -> None:
    """The flags of etcd 3.7.3, from its help. Those that only older releases have are refused as unknown."""
    named = (Path(__file__).parent / "flags-3.7.txt").read_text().split()
    known = set(FLAGS) | set(flags.SPECIAL)
    assert sorted(set(named) - known) == []


def test_values_have_the_types_of_their_flags() -> None:
    found: dict[str, Any] = parse(["--quota-backend-bytes=8589934592", "--host-whitelist=a, b,a"]).values
    assert found == {"quota-backend-bytes": 8 << 30, "host-whitelist": ("a", "b")}
