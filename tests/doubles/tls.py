"""Certificates for local servers: a small authority of our own, and the usual ways in which a certificate is wrong."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NOW = dt.datetime.now(dt.UTC)
_YEAR = dt.timedelta(days=365)


class Authority:
    """`Authority(folder).context("localhost")` is what a server needs; `.bundle` is what its clients have to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test Authority")
        basics = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = (
            _builder(self._name, self._name, self._key, _NOW - _YEAR, _NOW + _YEAR)
            .add_extension(basics, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *hosts: str, **made: Any) -> ssl.SSLContext:
        """A server's TLS settings with a certificate for these names and addresses, made as `chain` says."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain(*hosts, **made))
        return context

    def chain(
        self,
        *hosts: str,
        expired: bool = False,
        self_signed: bool = False,
        lasts: dt.timedelta = _YEAR,
        starts: dt.timedelta = -_YEAR,
        via: Literal["", "sent", "withheld", "expired"] = "",
    ) -> Path:
        """A file with a key and its certificate, valid from `starts` to `lasts` from now.

        `via`: signed by an intermediate authority whose certificate follows, is left out, or follows and has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(hosts[0])
        now = dt.datetime.now(dt.UTC)
        start, end = (_NOW - 2 * _YEAR, _NOW - _YEAR) if expired else (now + starts, now + lasts)
        issuer, signer = (name, key) if self_signed else (self._name, self._key)
        following = b""
        if via:
            issuer, signer, between = self._intermediate(expired=via == "expired")
            following = b"" if via == "withheld" else between
        certificate = (
            _builder(name, issuer, key, start, end)
            .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        path = self._folder / f"{certificate.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
            + following
        )
        return path

    def _intermediate(self, *, expired: bool) -> tuple[x509.Name, ec.EllipticCurvePrivateKey, bytes]:
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("Test Intermediate")
        start, end = (_NOW - 2 * _YEAR, _NOW - _YEAR) if expired else (_NOW - _YEAR, _NOW + _YEAR)
        certificate = (
            _builder(name, self._name, key, start, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return name, key, certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
