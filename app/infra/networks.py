"""Which addresses of the internet lie outside: the only ones that an URL somebody typed may lead to.

A table of our own: what `ipaddress` calls global differs between versions of Python, and it knows no metadata service.
"""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_INSIDE_4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this machine"),
    ("10.0.0.0/8", "a private network"),
    ("100.64.0.0/10", "a provider's own network"),
    ("127.0.0.0/8", "this machine"),
    ("168.63.129.16/32", "a cloud's metadata service"),
    ("169.254.0.0/16", "a local network or a cloud's metadata service"),
    ("172.16.0.0/12", "a private network"),
    ("192.0.0.0/24", "a reserved network"),
    ("192.0.2.0/24", "a network for documentation"),
    ("192.88.99.0/24", "a reserved network"),
    ("192.168.0.0/16", "a private network"),
    ("198.18.0.0/15", "a network for tests"),
    ("198.51.100.0/24", "a network for documentation"),
    ("203.0.113.0/24", "a network for documentation"),
    ("224.0.0.0/4", "many machines at once"),
    ("240.0.0.0/4", "a reserved network"),
)
# Of IPv6 only 2000::/3 is handed out; within it these carry IPv4 addresses or are reserved.
_OUTSIDE_6 = IPv6Network("2000::/3")
_INSIDE_6: tuple[tuple[str, str], ...] = (
    ("2001::/23", "a reserved network or a tunnel"),
    ("2001:db8::/32", "a network for documentation"),
    ("2002::/16", "an IPv4 address in another spelling"),
    ("3fff::/20", "a network for documentation"),
)
_ODD_6: tuple[tuple[str, str], ...] = (
    ("::1/128", "this machine"),
    ("::/96", "an IPv4 address in another spelling"),
    ("::ffff:0:0/96", "an IPv4 address in another spelling"),
    ("::ffff:0:0:0/96", "an IPv4 address in another spelling"),
    ("64:ff9b::/96", "an IPv4 address in another spelling"),
    ("64:ff9b:1::/48", "an IPv4 address in another spelling"),
    ("fc00::/7", "a private network"),
    ("fe80::/10", "a local network"),
    ("fec0::/10", "a private network"),
    ("ff00::/8", "many machines at once"),
)
_NEVER: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("169.254.0.0/16"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("100.100.100.200/32"),
    IPv4Network("192.0.0.192/32"),
    IPv6Network("fd00:ec2::254/128"),
    IPv6Network("fe80::/10"),
)
_TABLE_4 = tuple((IPv4Network(network), words) for network, words in _INSIDE_4)
_TABLE_6 = tuple((IPv6Network(network), words) for network, words in (*_INSIDE_6, *_ODD_6))


def why_inside(address: Address) -> str | None:
    """Return in words what kind of place an address is that nobody outside may be let into; None: it lies outside."""
    if isinstance(address, IPv4Address):
        return next((words for network, words in _TABLE_4 if address in network), None)
    found = next((words for network, words in _TABLE_6 if address in network), None)
    if found is None and address not in _OUTSIDE_6:
        return "a reserved network"
    return found


def hands_out_secrets(address: Address) -> bool:
    """Return whether a cloud's metadata service may answer at the address: not even a trusted name leads there."""
    plain = _plain(address)
    return any(plain in network for network in _NEVER if network.version == plain.version)


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address in IPv6Network("64:ff9b::/96") or address in IPv6Network("::/96"):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def literal(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name; raise ValueError for any odd spelling of one.

    Resolvers read 127.1, 0177.0.0.1, 0x7f000001 and 2130706433 as 127.0.0.1; a name never ends in a number.
    """
    if ":" in host:
        return ipaddress.IPv6Address(host) if "%" not in host else _odd(host)
    last = host.rstrip(".").rpartition(".")[2].lower()
    if last.isdigit() or (last.startswith("0x") and not set(last[2:]) - set("0123456789abcdef")):
        return ipaddress.IPv4Address(host)
    return None


def _odd(host: str) -> Address:
    raise ValueError(host)
