"""Which addresses are refused, family by family, as the special-purpose registries list them."""

from __future__ import annotations

import ipaddress

import pytest

from core.addresses import refusal

REFUSED = [
    # this network: Linux connects it to itself
    ("0.0.0.0", "this_network"),
    ("0.255.255.255", "this_network"),
    # private
    ("10.0.0.0", "private"),
    ("10.28.32.81", "private"),
    ("10.255.255.255", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.0.1", "private"),
    ("192.168.255.255", "private"),
    ("fc00::1", "unique_local"),
    ("fdff:ffff::1", "unique_local"),
    # carrier-grade NAT
    ("100.64.0.1", "shared"),
    ("100.127.255.255", "shared"),
    # loopback
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("::1", "loopback"),
    # link-local, with the metadata services
    ("169.254.0.1", "link_local"),
    ("169.254.169.254", "link_local"),
    ("169.254.170.2", "link_local"),
    ("fe80::1", "link_local"),
    ("fe80::1%2", "link_local"),
    ("febf::1", "link_local"),
    ("fd00:ec2::254", "unique_local"),
    # protocol assignments, Teredo, ORCHID, benchmarking
    ("192.0.0.1", "protocol"),
    ("192.0.0.8", "protocol"),
    ("192.0.0.170", "protocol"),
    ("2001::1", "protocol"),
    ("2001:0:7f00:1::", "protocol"),
    ("2001:2::1", "protocol"),
    ("2001:10::1", "protocol"),
    ("2001:20::1", "protocol"),
    # documentation
    ("192.0.2.1", "documentation"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    # IPv4 inside IPv6, and relays
    ("192.88.99.1", "tunnel"),
    ("2002:7f00:1::", "tunnel"),
    ("2002:a00:1::", "tunnel"),
    ("2002:808:808::", "tunnel"),
    ("64:ff9b::7f00:1", "tunnel"),
    ("64:ff9b::a9fe:a9fe", "tunnel"),
    ("64:ff9b::808:808", "tunnel"),
    ("64:ff9b:1::1", "tunnel"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.0.0.1", "private"),
    ("::ffff:169.254.169.254", "link_local"),
    ("::ffff:7f00:1", "loopback"),
    ("::127.0.0.1", "not_global"),
    ("::10.0.0.1", "not_global"),
    ("::ffff:0:127.0.0.1", "not_global"),
    # the rest of what nobody may be reached at
    ("192.31.196.1", "as112"),
    ("192.175.48.1", "as112"),
    ("2620:4f:8000::1", "as112"),
    ("192.52.193.1", "multicast_relay"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("fec0::1", "site_local"),
    ("100::1", "not_global"),
    ("5f00::1", "not_global"),
    ("400::1", "not_global"),
]
REACHABLE = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.158.134.3",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a02:6b8::2:242",
    "::ffff:8.8.8.8",
]


def networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


@pytest.mark.parametrize(("address", "rule"), REFUSED)
def test_special_purpose_addresses_are_refused_by_their_rule(address: str, rule: str) -> None:
    assert refusal(address, ()) == rule


@pytest.mark.parametrize("address", REACHABLE)
def test_global_addresses_are_reachable(address: str) -> None:
    assert refusal(address, ()) is None


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("10.28.32.81", "10.28.0.0/16"),
        ("10.28.32.81", "10.28.32.81/32"),
        ("10.28.32.81", "0.0.0.0/0"),
        ("192.168.1.1", "192.168.0.0/16"),
        ("100.64.1.1", "100.64.0.0/10"),
        ("fd00::1", "fd00::/8"),
        ("::ffff:10.1.1.1", "10.0.0.0/8"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("::1", "::1/128"),
        ("169.254.7.7", "169.254.7.7/32"),
    ],
)
def test_an_entry_opens_the_network_it_names(address: str, entry: str) -> None:
    assert refusal(address, networks(entry)) is None


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("127.0.0.1", "0.0.0.0/0"),
        ("127.0.0.1", "126.0.0.0/7"),
        ("127.0.0.1", "127.0.0.2/32"),
        ("169.254.169.254", "0.0.0.0/0"),
        ("169.254.169.254", "169.254.1.0/24"),
        ("0.0.0.0", "0.0.0.0/0"),
        ("224.0.0.1", "0.0.0.0/0"),
        ("::1", "::/0"),
        ("fe80::1", "::/0"),
        ("::127.0.0.1", "::/0"),
        ("64:ff9b::a00:1", "::/0"),
        ("64:ff9b::a00:1", "10.0.0.0/8"),
        ("2002:a00:1::", "10.0.0.0/8"),
        ("10.1.1.1", "192.168.0.0/16"),
        ("10.1.1.1", "::/0"),
        ("::ffff:127.0.0.1", "::/0"),
    ],
)
def test_a_wide_entry_never_opens_this_machine_or_the_link(address: str, entry: str) -> None:
    assert refusal(address, networks(entry)) is not None
