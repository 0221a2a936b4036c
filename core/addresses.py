"""Which addresses outbound requests may reach, by the special-purpose registries of IPv4 and IPv6 (RFC 6890 and its updates)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# A company's own networks: any allowed entry that covers them opens them. Everything else opens only by an entry inside its own range.
PRIVATE = ("private", "shared", "unique_local")

_RANGES = {
    "this_network": ("0.0.0.0/8",),  # RFC 791; Linux connects 0.0.0.0 to itself
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
    "shared": ("100.64.0.0/10",),  # RFC 6598, carrier-grade NAT
    "loopback": ("127.0.0.0/8", "::1/128"),  # RFC 1122, RFC 4291
    "link_local": ("169.254.0.0/16", "fe80::/10"),  # RFC 3927, RFC 4291; the metadata services of clouds
    "protocol": ("192.0.0.0/24", "2001::/23"),  # RFC 6890, RFC 2928: Teredo, ORCHID, benchmarking
    "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),  # RFC 5737, 3849, 9637
    "as112": ("192.31.196.0/24", "192.175.48.0/24", "2620:4f:8000::/48"),  # RFC 7534, RFC 7535
    "multicast_relay": ("192.52.193.0/24",),  # RFC 7450
    "tunnel": ("192.88.99.0/24", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48"),  # RFC 7526, 3056, 6052, 8215: IPv4 in disguise
    "benchmarking": ("198.18.0.0/15",),  # RFC 2544
    "multicast": ("224.0.0.0/4", "ff00::/8"),  # RFC 5771, RFC 4291
    "reserved": ("240.0.0.0/4",),  # RFC 1112, with the limited broadcast
    "unspecified": ("::/128",),  # RFC 4291
    "unique_local": ("fc00::/7",),  # RFC 4193
    "site_local": ("fec0::/10",),  # RFC 3879
}
_RULES: tuple[tuple[IPNetwork, str], ...] = tuple((ipaddress.ip_network(text), rule) for rule, texts in _RANGES.items() for text in texts)
# IPv6 outside of this is not assigned to anybody we could want to reach: compatible addresses, discard-only, segment routing.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_GLOBAL = ipaddress.IPv6Network("::/0")


def refusal(address: str, allowed: Collection[IPNetwork]) -> str | None:
    """The name of the rule that refuses this numeric address, or None when it may be reached."""
    ip = _plain(ipaddress.ip_address(address))
    network, rule = _rule(ip)
    if rule is None or any(_opens(entry, ip, network, rule) for entry in allowed):
        return None
    return rule


def _plain(ip: IPAddress) -> IPAddress:
    """IPv4 out of an IPv4-mapped address, because that is where a connection to it goes."""
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _rule(ip: IPAddress) -> tuple[IPNetwork, str | None]:
    for network, rule in _RULES:
        if ip.version == network.version and ip in network:
            return network, rule
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        return _NOT_GLOBAL, "not_global"
    return _NOT_GLOBAL, None


def _opens(entry: IPNetwork, ip: IPAddress, network: IPNetwork, rule: str) -> bool:
    covers = entry.version == ip.version and ip in entry
    return covers and (rule in PRIVATE or (rule != "not_global" and _inside(entry, network)))


def _inside(entry: IPNetwork, network: IPNetwork) -> bool:
    return int(network.network_address) <= int(entry.network_address) and int(entry.broadcast_address) <= int(network.broadcast_address)
