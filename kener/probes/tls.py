"""Reads the certificate of a TLS peer and says what is wrong with it.

The handshake itself verifies nothing, so that an expired or unknown certificate can be read like any other; what it is worth is judged
afterwards. `inspect` opens a connection; `upgrade` goes on with one that is already open, as after STARTTLS:

    async with connected(host, port, watch) as (reader, writer):
        ...say STARTTLS, read the consent...
        peer = await tls.upgrade(reader, writer, where="mail.example:25", server_name="mail.example")
        if peer.faults: raise Down(peer.objection)

Both raise Down where no TLS connection comes about, TimeoutError where `timeout_s` passes, and OSError.
"""

import asyncio
import datetime as dt
import functools
import ipaddress
import os
import ssl
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from kener import clock
from kener.domain.hosts import ascii_host
from kener.probes.aio import Down, Watch, connected

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_LONGER_THAN_ANY_LIMIT_S = 120.0
_NAMES_SHOWN = 3
_CLOSED = "closed the connection during the TLS handshake"
_UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_REASONS = {
    "WRONG_VERSION_NUMBER": "the other side does not speak TLS",
    "HTTP_REQUEST": "the other side does not speak TLS",
    "UNEXPECTED_EOF_WHILE_READING": "the other side closed the connection during the handshake",
    "UNSUPPORTED_PROTOCOL": "the other side speaks only versions of TLS that are too old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the other side refuses every version of TLS that is spoken here",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the other side refused the handshake",
    "TLSV1_UNRECOGNIZED_NAME": "the other side has no certificate for this name",
    "TLSV1_ALERT_INTERNAL_ERROR": "the other side reports an internal error",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the other side demands a certificate of its client",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's certificate. `days_left` is negative once it has expired; `key` reads `RSA 2048`, `EC P-256`, `Ed25519`.

    `faults` are parts of a sentence about the certificate ("it has expired", "its issuer is unknown"), the worst first; none: it is
    trusted. `sent` is how many certificates the peer sent, its own included; `version` the TLS version agreed on.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: dt.datetime
    not_after: dt.datetime
    days_left: float
    key: str
    faults: tuple[str, ...]
    sent: int
    version: str

    @property
    def objection(self) -> str | None:
        """Why it is not trusted, as a sentence for operators."""
        return f"The certificate is not trusted: {', and '.join(self.faults)}" if self.faults else None


async def inspect(
    host: str, port: int, watch: Watch, *, server_name: str | None = None, timeout_s: float | None = None
) -> Peer:
    """Connect, shake hands, read the certificate. `server_name` stands in for the host there. Marks dns, connect and tls."""
    async with asyncio.timeout(timeout_s), connected(host, port, watch) as (reader, writer):
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        peer = await upgrade(reader, writer, where=where, server_name=server_name or host)
        watch.mark("tls")
        return peer


async def upgrade(
    _reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    where: str,
    server_name: str,
    timeout_s: float | None = None,
) -> Peer:
    """Go on in TLS on an open connection, whose streams are then encrypted, and read the peer's certificate.

    `server_name` is sent (an address is not) and compared with the certificate; `where` is what errors call the other side.
    """
    name = ascii_host(server_name)
    try:
        async with asyncio.timeout(timeout_s):
            await writer.start_tls(
                _context(),
                server_hostname=name,
                # The deadline is asyncio.timeout's; asyncio's own would be a ConnectionAbortedError of no meaning.
                ssl_handshake_timeout=_LONGER_THAN_ANY_LIMIT_S,
            )
    except (ssl.SSLError, ConnectionError) as error:
        raise _no_tls(where, error) from error
    shaken = writer.get_extra_info("ssl_object")
    return read(_sent(shaken), server_name=name, version=shaken.version() or "", now=clock.now())


def read(chain: Sequence[bytes], *, server_name: str, version: str, now: dt.datetime) -> Peer:
    """What certificates (DER, the peer's own first) say, and what they are worth for this name at this moment. Raises Down."""
    if not chain:
        raise Down("The other side sent no certificate")
    with warnings.catch_warnings():
        # What is odd about a stranger's certificate is none of our log's business.
        warnings.simplefilter("ignore")
        try:
            own, others = x509.load_der_x509_certificate(chain[0]), _readable(chain[1:])
            names = _names(own)
            return Peer(
                subject=_called(own.subject) or (names[0] if names else ""),
                issuer=_called(own.issuer),
                names=names,
                not_before=own.not_valid_before_utc,
                not_after=own.not_valid_after_utc,
                days_left=(own.not_valid_after_utc - now) / dt.timedelta(days=1),
                key=_key(own),
                faults=tuple(_faults(own, others, names, server_name, now)),
                sent=len(chain),
                version=version,
            )
        except _UNREADABLE as error:
            raise Down(f"The certificate cannot be read: {error}") from error


def _faults(
    own: x509.Certificate, others: list[x509.Certificate], names: tuple[str, ...], server_name: str, now: dt.datetime
) -> list[str]:
    found = []
    if now > own.not_valid_after_utc:
        found.append("it has expired")
    elif now < own.not_valid_before_utc:
        found.append(f"it is not valid before {own.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    if not any(_matches(name, server_name) for name in names):
        listed = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
        found.append(f"it is for another host name: {listed}" if names else "it names no host")
    if chain_fault := _chain_fault(own, others, now):
        found.append(chain_fault)
    return found


def _chain_fault(own: x509.Certificate, others: list[x509.Certificate], now: dt.datetime) -> str | None:
    """What keeps the certificate from leading to a trusted issuer; its own dates are left out of it."""
    trusted = _trusted()
    if own in trusted:
        return None
    moment = min(max(now, own.not_valid_before_utc), own.not_valid_after_utc)
    if trusted and _leads_to(trusted, own, others, moment):
        return None
    if own.subject == own.issuer:
        return "it is self-signed"
    if late := next((one for one in others if not one.not_valid_before_utc <= now <= one.not_valid_after_utc), None):
        return f"the certificate of its issuer {_called(late.subject)} is out of date"
    if not others and own.issuer not in {one.subject for one in trusted}:
        return "its issuer is unknown, and the other side sends no certificate of the issuer"
    return "its issuer is unknown"


def _leads_to(
    trusted: tuple[x509.Certificate, ...], own: x509.Certificate, others: list[x509.Certificate], moment: dt.datetime
) -> bool:
    """Certificates of private authorities lack much that public ones must have: only what makes an issuer an issuer is demanded."""
    issuers = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    verifier = (
        PolicyBuilder()
        .store(Store(list(trusted)))
        .time(moment)
        .extension_policies(ca_policy=issuers, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(own, others)
    except VerificationError:
        return False
    return True


def _trusted() -> tuple[x509.Certificate, ...]:
    """The trusted issuers of this machine: those of SSL_CERT_FILE, else of the system."""
    for path in (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES):
        try:
            if path and (found := _bundle(path, Path(path).stat().st_mtime_ns)):
                return found
        except (OSError, ValueError):
            continue
    return ()


@functools.lru_cache(maxsize=4)
def _bundle(path: str, _changed: int) -> tuple[x509.Certificate, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(x509.load_pem_x509_certificates(Path(path).read_bytes()))


def _context() -> ssl.SSLContext:
    """Takes any certificate, also of weak keys: it is to be read, not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _sent(shaken: Any) -> list[bytes]:
    """What the peer sent. Before Python 3.13 only the object below could tell more than the first."""
    if hasattr(shaken, "get_unverified_chain"):
        return list(shaken.get_unverified_chain())
    inner = getattr(shaken, "_sslobj", None)
    if inner is not None and hasattr(inner, "get_unverified_chain"):
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner.get_unverified_chain() or ()]
    own = shaken.getpeercert(binary_form=True)
    return [own] if own else []


def _readable(chain: Sequence[bytes]) -> list[x509.Certificate]:
    """Those that can be read: a damaged one further up leads nowhere, but the peer's own is still worth reading."""
    found = []
    for der in chain:
        with suppress(*_UNREADABLE):
            found.append(x509.load_der_x509_certificate(der))
    return found


def _no_tls(where: str, error: ssl.SSLError | ConnectionError) -> Down:
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""
        words = _REASONS.get(reason) or reason.replace("_", " ").lower() or "unknown reason"
        return Down(f"No TLS connection with {where}: {words}")
    return Down(f"No TLS connection with {where}: the other side {_CLOSED}")


def _called(name: x509.Name) -> str:
    """A name in a certificate, as people call it."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return str(found[0].value)
    return name.rfc4514_string()


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = found.get_values_for_type(x509.IPAddress)
    return (*found.get_values_for_type(x509.DNSName), *(str(one) for one in addresses))


def _matches(pattern: str, name: str) -> bool:
    """Whether a name of a certificate covers a host. An asterisk stands for exactly the first label."""
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(pattern)
    except ValueError:
        pass
    pattern, name = pattern.lower(), name.lower()
    if pattern.startswith("*."):
        _, _, rest = name.partition(".")
        return bool(rest) and rest == pattern[2:]
    return pattern == name


def _key(certificate: x509.Certificate) -> str:
    try:
        found = certificate.public_key()
    except UnsupportedAlgorithm:
        return "of a kind that is not known"
    match found:
        case rsa.RSAPublicKey() as key:
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey() as key:
            return f"EC {_CURVES.get(key.curve.name, key.curve.name)}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case dsa.DSAPublicKey() as key:
            return f"DSA {key.key_size}"
    return "of a kind that is not known"
