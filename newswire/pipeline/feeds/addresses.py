"""Which network addresses a feed may be at. The check is on the address of the socket, so no name can get round it."""

import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

REFUSED = "refused address"

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is public and unicast, after unwrapping IPv4 in IPv6: mapped, 6to4, Teredo, NAT64.

    Registries: IANA's special-purpose addresses, as in `ipaddress`.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(part.is_global and not part.is_multicast and not part.is_reserved for part in _unwrap(parsed))


def socket_factory(allow_private: bool) -> Callable[[Any], socket.socket]:
    """What makes aiohttp's sockets: it sees the real address of each connection, redirects and IP literals included."""

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if not allow_private and not is_public(str(address[0])):
            # One text for all, so that the client reports one error when a name has several addresses.
            raise PermissionError(errno.EACCES, f"{REFUSED} (private, local or not unicast)")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make


def _unwrap(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The addresses that all have to be public: for a wrapped one, what is inside in place of the wrapping."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if any(address in network for network in _NAT64):
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    if address in _COMPATIBLE:
        return [address, IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]
