"""52 semantics that etcd's own Go client depends on, asked of one member, of a follower of three, and over TLS."""

from pathlib import Path

import pytest

from tests.support.certificates import Authority

from .members import running
from .toolbox import built, run

PASSED = "52 passed, 0 failed"


@pytest.fixture(scope="module")
def client() -> Path:
    return built("goclient")


def test_one_member(client: Path, tmp_path: Path) -> None:
    with running(tmp_path) as members:
        assert PASSED in run(client, members.endpoints[0])


@pytest.mark.once
def test_a_follower_of_three(client: Path, tmp_path: Path) -> None:
    with running(tmp_path, 3) as members:
        assert PASSED in run(client, members.endpoints[members.follower()])


@pytest.mark.once
def test_over_tls_with_a_certificate_of_the_client(client: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("IP:127.0.0.1", "DNS:localhost")
    own = authority.issue("DNS:client")
    tls = [f"--cert-file={server.file}", f"--key-file={server.key}", f"--trusted-ca-file={authority.file}"]
    with running(tmp_path, tls=[*tls, "--client-cert-auth"]) as members:
        assert PASSED in run(client, members.endpoints[0], str(authority.file), str(own.file), str(own.key))
