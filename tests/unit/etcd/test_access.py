"""Which requests are let in by Host and Origin."""

import pytest

from raftcy.etcd.access import Access, host_name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:2379", "localhost"), ("localhost", "localhost"), ("[::1]:2379", "::1"), ("[::1]", "::1"),
        ("10.0.0.1:80", "10.0.0.1"), ("::1", "::1"), ("", ""), ("a:b:c", "a:b:c"), ("a:", "a:"),
    ],
)  # fmt: skip
def test_the_name_of_a_host(host: str, name: str) -> None:
    assert host_name(host) == name


def status(access: Access, host: str = "h:1", origin: str | None = None, is_secure: bool = False) -> int | None:
    found = access.objection(host, origin, is_secure=is_secure)
    return None if found is None else found.status


@pytest.mark.parametrize("hosts", [[], ["*"], ["a", "*"]])
def test_without_a_list_every_host_is_let_in(hosts: list[str]) -> None:
    assert status(Access(hosts), "anything.example") is None


def test_a_host_that_is_not_listed_is_refused_without_tls() -> None:
    access = Access(["good.example", "10.0.0.1"])
    assert status(access, "good.example:2379") is None
    assert status(access, "10.0.0.1") is None
    assert status(access, "bad.example:2379") == 421
    assert status(access, "localhost:2379") == 421
    assert status(access, "") == 421
    assert status(access, "bad.example:2379", is_secure=True) is None


def test_without_cors_no_foreign_page_is_let_in() -> None:
    access = Access(own=["etcd.example"])
    assert status(access, "127.0.0.1:2379", "https://evil.example") == 403
    assert status(access, "127.0.0.1:2379", "null") == 403
    assert access.headers("https://evil.example") == {}


@pytest.mark.parametrize("host", ["127.0.0.1:2379", "[::1]:2379", "localhost:2379", "ETCD.example:2379"])
def test_the_servers_own_pages_are_let_in(host: str) -> None:
    access = Access(own=["etcd.example"])
    assert status(access, host, f"http://{host}") is None
    assert status(access, host, f"https://{host}", is_secure=True) is None
    # A page of another port, or of another scheme, is another origin.
    assert status(access, host, f"http://{host}0") == 403
    assert status(access, host, f"https://{host}") == 403


def test_a_name_that_was_rebound_is_no_page_of_this_server() -> None:
    """The browser takes the request for one of the same origin, since the name points here now."""
    assert status(Access(), "evil.example:2379", "http://evil.example:2379") == 403


def test_listed_origins_are_let_in_and_may_read_the_answers() -> None:
    access = Access(origins=["https://ui.example"])
    assert status(access, origin="https://ui.example") is None
    assert status(access, origin="https://ui.example.evil") == 403
    assert access.headers("https://ui.example")["Access-Control-Allow-Origin"] == "https://ui.example"
    assert access.headers(None) == {}


def test_a_star_lets_in_every_origin() -> None:
    access = Access(origins=["*"])
    assert status(access, origin="https://any.example") is None
    assert access.headers(None)["Access-Control-Allow-Origin"] == "*"
