"""Host names and addresses, as people write them and as resolvers and certificates know them."""

import ipaddress
import re

import idna

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_OTHER_DOTS = str.maketrans("。．｡", "...")
_NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]*", re.ASCII)


def ascii_host(host: str) -> str:
    """A host as resolvers and certificates know it: no brackets, no dot at its end, small letters, other scripts in their ASCII form.

    An address comes in its shortest form. Names go by the rules of browsers (UTS 46 on IDNA 2008): `straße.example` is a name of its own
    and not `strasse.example`. Underscores and names of one label are names. Raises ValueError with what to do.
    """
    bare = host.strip()
    bracketed = bare.startswith("[") and bare.endswith("]")
    if (address := _address(bare[1:-1] if bracketed else bare)) is not None:
        if bracketed and address.version == 4:
            raise ValueError("Only IPv6 addresses stand in brackets.")
        return str(address)
    labels = [_label(label) for label in bare.translate(_OTHER_DOTS).removesuffix(".").split(".")]
    name = ".".join(labels)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("Enter a host name or an address, without http:// and without a port.")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("This is not a valid address.")
    return name


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id:
        raise ValueError("Leave out the zone (%…): link-local addresses are not checked.")
    return found


def _label(label: str) -> str:
    if label.isascii():
        return label.lower()
    try:
        return idna.alabel(idna.uts46_remap(label, std3_rules=False)).decode()
    except (idna.IDNAError, UnicodeError):
        raise ValueError("This is not a valid host name.") from None
