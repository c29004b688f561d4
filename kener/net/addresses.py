"""Which addresses an outgoing request may connect to.

The policy judges the address of the socket, not the name in the URL, so a name that resolves differently the second time and a redirect
are covered as well.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where cloud machines read their own credentials, outside the link-local range.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """`private`: whether loopback, private, shared and reserved addresses may be reached. Link-local and metadata ones never may."""

    private: bool

    def objection(self, address: str) -> str | None:
        """Why this address may not be reached ("169.254.169.254 is a link-local address"), or None."""
        return _objection(address, self.private)

    def lifted_by_setting(self, address: str) -> bool:
        """Whether the only objection is one that an installation may lift."""
        return self.objection(address) is not None and _objection(address, True) is None


CHECKS = AddressPolicy(private=True)
"""Monitors watch what is inside as well as what is outside."""

TRIGGERS = AddressPolicy(private=False)
"""Whoever may set up a trigger shall not reach into the network behind this machine."""


def for_triggers(*, allow_private: bool) -> AddressPolicy:
    """The policy of triggers on an installation that does or does not allow private targets."""
    return CHECKS if allow_private else TRIGGERS


@lru_cache(maxsize=4096)
def _objection(text: str, private: bool) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return f"{text!r} is not an address"
    kind = next((kind for each in _meanings(address) if (kind := _kind(each, private))), None)
    return f"{text} is {kind}" if kind else None


def _meanings(address: IPAddress) -> list[IPAddress]:
    """The address, and the IPv4 address inside it: IPv4-mapped, NAT64, 6to4 and IPv4-compatible addresses all lead to one."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped or address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    inner = address.sixtofour or (ipaddress.IPv4Address(int(address)) if 1 < int(address) < 2**32 else None)
    return [address, inner] if inner else [address]


def _kind(address: IPAddress, private: bool) -> str | None:
    """The forbidden kind of an address, in words."""
    if address in _METADATA:
        return "a metadata address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK):
        return "an unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if int(address) == 0xFFFF_FFFF and address.version == 4:
        return "the broadcast address"
    if private:
        return None
    if address.is_loopback:
        return "a loopback address"
    if address.is_reserved:
        return "a reserved address"
    return None if address.is_global else "a private address"
