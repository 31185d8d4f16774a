from pathlib import Path

import pytest

from chat_app.core.network import (
    UNKNOWN,
    client_ip,
    client_network_of,
    coarse_network,
    limited_network,
)
from testing.auth_services import settings_of


def scope(client: str | None, *forwarded: str) -> dict[str, object]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"client": (client, 1234) if client else None, "headers": headers}


def test_without_a_proxy_what_is_forwarded_is_hearsay() -> None:
    assert client_ip(scope("192.0.2.1", "203.0.113.9"), hops=0) == "192.0.2.1"


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (1, ["203.0.113.9"], "203.0.113.9"),
        (1, ["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        (1, ["10.9.9.9", "203.0.113.9"], "203.0.113.9"),
        (2, ["10.9.9.9, 203.0.113.9, 198.51.100.2"], "203.0.113.9"),
        (2, ["10.9.9.9", "203.0.113.9,198.51.100.2"], "203.0.113.9"),
        (1, ["203.0.113.9:5555"], "203.0.113.9"),
        (1, ["[2001:db8::1]:5555"], "2001:db8::1"),
        (1, ["::ffff:203.0.113.9"], "203.0.113.9"),
    ],
)
def test_each_trusted_proxy_is_one_step_from_the_right(
    hops: int, forwarded: list[str], address: str
) -> None:
    assert client_ip(scope("10.0.0.1", *forwarded), hops) == address


@pytest.mark.parametrize("forwarded", [[], ["203.0.113.9"], ["not an address, 198.51.100.2"]])
def test_a_header_that_is_too_short_or_unreadable_leaves_the_peer(forwarded: list[str]) -> None:
    assert client_ip(scope("10.0.0.1", *forwarded), hops=2) == "10.0.0.1"


@pytest.mark.parametrize("client", [None, "", "testclient", "/run/app.sock", "1.2.3"])
def test_no_address_is_one_shared_address(client: str | None) -> None:
    assert client_network_of(client_ip(scope(client), hops=0)) == UNKNOWN


def test_one_ipv6_customer_is_one_key() -> None:
    assert client_network_of("2001:db8:1:2::1") == client_network_of(
        "2001:db8:1:2:ffff:ffff:ffff:ffff"
    )
    assert client_network_of("2001:db8:1:2::1") != client_network_of("2001:db8:1:3::1")


def test_ipv4_addresses_are_keys_of_their_own_however_they_are_spelt() -> None:
    assert client_network_of("192.0.2.1") != client_network_of("192.0.2.2")
    assert client_network_of("::ffff:192.0.2.1") == client_network_of("192.0.2.1")
    assert client_network_of("fe80::1%eth0") == client_network_of("fe80::2")


def test_what_is_kept_is_only_the_network() -> None:
    assert coarse_network("192.0.2.77") == "192.0.2.0/24"
    assert coarse_network("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert coarse_network(UNKNOWN) == ""


@pytest.mark.parametrize(
    ("app_url", "hops", "peer", "is_limited"),
    [
        ("https://chat.example", 0, "127.0.0.1", False),
        ("https://chat.example", 0, "10.1.2.3", False),
        ("https://chat.example", 0, "172.16.0.9", False),
        ("https://chat.example", 0, "192.168.1.1", False),
        ("https://chat.example", 0, "169.254.1.1", False),
        ("https://chat.example", 0, "::1", False),
        ("https://chat.example", 0, "::ffff:10.0.0.1", False),
        ("https://chat.example", 0, "fd12::1", False),
        ("https://chat.example", 0, "fe80::1%eth0", False),
        ("https://chat.example", 0, "93.184.216.34", True),
        ("https://chat.example", 0, "172.32.0.1", True),
        ("https://chat.example", 0, "2606:4700::1", True),
        ("https://chat.example", 0, UNKNOWN, False),
        ("https://chat.example", 1, "10.1.2.3", True),
        ("https://chat.example", 1, "127.0.0.1", True),
        ("", 0, "127.0.0.1", True),
        ("http://localhost:3000", 0, "10.1.2.3", True),
    ],
)
def test_an_address_is_not_counted_where_it_is_a_proxy_that_hides_everyone(
    tmp_path: Path, app_url: str, hops: int, peer: str, is_limited: bool
) -> None:
    given = {"app_url": app_url, "trusted_proxy_hops": hops, "fake_models": False}
    network = limited_network(peer, settings_of(tmp_path, **given))
    assert network == (client_network_of(peer) if is_limited else None)
