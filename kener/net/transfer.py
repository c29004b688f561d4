"""One libcurl handle: from a Request to an Answer or a Failure."""

import contextlib
import errno
import functools
import os
import re
import socket
import ssl
from typing import Any

import pycurl

from kener.net.exchange import Answer, Cause, Failure, Request, host_and_port

_HTTP_OR_HTTPS = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
_BY_STATUS_CODE = 2
"""CURLFOLLOW_OBEYCODE: a redirect keeps or changes the method as its status code demands."""
_VERIFY_RESULT = re.compile(r"(?:certificate problem|verify result): (.+?)(?: \(\d+\))?$")
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL)


class _Handed(socket.SocketType):
    """A socket for libcurl, which takes a copy of its descriptor: ours is closed at once, without the warning that it was left open."""

    def __del__(self) -> None:
        self.close()


class Transfer:
    """A reusable handle with what one exchange needs to remember. Not thread-safe; the loop owns it."""

    __slots__ = (
        "_body",
        "_headers",
        "_size",
        "curl",
        "dns_ms",
        "fault",
        "key",
        "refused",
        "request",
        "tried",
    )

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.key = 0

    def prepare(self, key: int, request: Request, *, addresses: tuple[str, ...], dns_ms: int) -> None:
        """Make ready to be run. Raises pycurl.error or UnicodeError where libcurl cannot take the request."""
        self.key, self.request, self.dns_ms = key, request, dns_ms
        self.refused: str | None = None
        self.tried: str | None = None
        self.fault: OSError | None = None
        self._body: list[bytes] = []
        self._headers: list[bytes] = []
        self._size = 0
        curl = self.curl
        curl.reset()
        curl.setopt(pycurl.URL, request.url.encode())
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.PROTOCOLS, _HTTP_OR_HTTPS)
        curl.setopt(pycurl.REDIR_PROTOCOLS, _HTTP_OR_HTTPS)
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        curl.setopt(pycurl.FORBID_REUSE, 1)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        curl.setopt(pycurl.WRITEFUNCTION, self._take)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, request.timeout_ms - dns_ms))
        curl.setopt(pycurl.HTTPHEADER, [line.encode() for line in request.headers])
        if request.certificate:
            curl.setopt(pycurl.OPT_CERTINFO, 1)
        if request.keep or request.keep_headers:
            curl.setopt(pycurl.HEADERFUNCTION, self._take_header)
        if request.http2:
            curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        if request.max_redirects:
            curl.setopt(pycurl.FOLLOWLOCATION, _BY_STATUS_CODE)
            curl.setopt(pycurl.MAXREDIRS, request.max_redirects)
        if request.url.startswith("https") or request.max_redirects:
            self._trust(request)
        if addresses:
            curl.setopt(pycurl.RESOLVE, [_resolve_line(request.url, addresses)])
        self._method(request)

    def _trust(self, request: Request) -> None:
        # A resumed session shows no certificate: one that expired in the meantime would go unnoticed.
        self.curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)
        if not request.verify_tls:
            self.curl.setopt(pycurl.SSL_VERIFYPEER, 0)
            self.curl.setopt(pycurl.SSL_VERIFYHOST, 0)
        elif bundle := os.environ.get("SSL_CERT_FILE") or _system_certificates():
            self.curl.setopt(pycurl.CAINFO, bundle)

    def _method(self, request: Request) -> None:
        match request.method:
            case "GET":
                return
            case "HEAD":
                self.curl.setopt(pycurl.NOBODY, 1)
            case method:
                self.curl.setopt(pycurl.CUSTOMREQUEST, method)
        if request.body is not None:
            self.curl.setopt(pycurl.POSTFIELDS, request.body)

    def _open_socket(self, _purpose: int, address: Any) -> socket.SocketType | int:
        """Called by libcurl for every address it is about to connect to, also after a redirect: the place of the address policy."""
        host, port = address.addr[0], address.addr[1]
        if self.request.policy.objection(host):
            self.refused = host
            return int(pycurl.SOCKET_BAD)
        self.tried = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            made = _Handed(address.family, address.socktype, address.protocol)
            # The copy that is about to be made would fail without a word; what is short here is never the target's fault.
            os.close(os.dup(made.fileno()))
            return made
        except OSError as error:
            self.fault = error
            return int(pycurl.SOCKET_BAD)

    def _take(self, chunk: bytes) -> int:
        """Count the body, and keep it where asked. A return value other than the length ends the transfer."""
        room = self.request.max_bytes - self._size
        self._size += len(chunk)
        if self.request.keep and room > 0:
            self._body.append(chunk[:room])
        return len(chunk) if len(chunk) <= room else 0

    def _take_header(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):
            self._headers.clear()
        self._headers.append(line)

    def outcome(self, code: int, message: str) -> Answer | Failure:
        """What came of it, by libcurl's error code (0: all well)."""
        truncated = self._size > self.request.max_bytes
        if code == 0 or (code == pycurl.E_WRITE_ERROR and truncated):
            return self._answer(truncated)
        return self._failure(code, message)

    def _answer(self, truncated: bool) -> Answer:
        info = self.curl.getinfo
        ms = {
            "dns": info(pycurl.NAMELOOKUP_TIME),
            "connect": info(pycurl.CONNECT_TIME),
            "tls": info(pycurl.APPCONNECT_TIME),
            "first_byte": info(pycurl.STARTTRANSFER_TIME),
            "total": info(pycurl.TOTAL_TIME),
        }
        phases = {name: self.dns_ms + round(seconds * 1000) for name, seconds in ms.items() if seconds or name != "tls"}
        body, self._body = b"".join(self._body), []
        return Answer(
            status=info(pycurl.RESPONSE_CODE),
            total_ms=phases["total"],
            headers=_fields(self._headers),
            body=body,
            truncated=truncated,
            phases=phases,
            certificate_ends=_certificate_ends(info(pycurl.INFO_CERTINFO)) if self.request.certificate else None,
        )

    def _failure(self, code: int, message: str) -> Failure:
        if self.fault is not None:
            return Failure(f"No connection could be opened on this machine: {self.fault.strerror}", Cause.OURS)
        if self.refused is not None and self.tried is None:
            return self._refused(self.refused)
        where = self.tried or host_and_port(self.request.url)[0]
        if self.request.http2 and "SETTINGS frame" in message:
            return Failure(f"{where} does not speak HTTP/2")
        match code:
            case pycurl.E_OPERATION_TIMEDOUT:
                return timed_out(self.request)
            case pycurl.E_COULDNT_CONNECT if self.refused is not None:
                return self._refused(self.refused)
            case pycurl.E_COULDNT_CONNECT:
                return _not_connected(where, self.curl.getinfo(pycurl.OS_ERRNO))
            case pycurl.E_COULDNT_RESOLVE_HOST:
                return Failure(f"The name {host_and_port(self.curl.getinfo(pycurl.EFFECTIVE_URL))[0]} does not resolve")
            case pycurl.E_PEER_FAILED_VERIFICATION:
                return Failure(f"The certificate is not trusted: {_certificate_fault(message)}")
            case pycurl.E_SSL_CONNECT_ERROR:
                return Failure(f"No TLS connection with {where}: {_tidy(message)}")
            case pycurl.E_TOO_MANY_REDIRECTS:
                return Failure(f"More than {_count(self.request.max_redirects, 'redirect')}")
            case pycurl.E_GOT_NOTHING:
                return Failure(f"{where} closed the connection without an answer")
            case pycurl.E_PARTIAL_FILE:
                return Failure(f"{where} closed the connection in the middle of its answer")
            case pycurl.E_SEND_ERROR | pycurl.E_RECV_ERROR:
                return Failure(f"The connection to {where} was lost: {_lost(message)}")
            case pycurl.E_UNSUPPORTED_PROTOCOL | pycurl.E_FTP_WEIRD_SERVER_REPLY if self.tried:
                return self._not_http(where)
            case pycurl.E_URL_MALFORMAT if self.tried:
                return Failure("The redirect leads to an address that is none")
            case (
                pycurl.E_UNSUPPORTED_PROTOCOL
                | pycurl.E_SSL_CACERT_BADFILE
                | pycurl.E_OUT_OF_MEMORY
                | pycurl.E_FAILED_INIT
                | pycurl.E_URL_MALFORMAT
            ):
                return Failure(f"The request could not be made: {_tidy(message)}", Cause.OURS)
        return Failure(f"No usable answer from {where}: {_tidy(message)}")

    def _not_http(self, where: str) -> Failure:
        target = self.curl.getinfo(pycurl.EFFECTIVE_URL)
        if not target.lower().startswith(("http://", "https://")):
            return Failure(f"The redirect leads to something other than http or https: {target[:40]}")
        return Failure(f"The answer of {where} is not HTTP")

    def _refused(self, address: str) -> Failure:
        return Failure(f"Not allowed: {self.request.policy.objection(address)}", Cause.POLICY, address=address)


def timed_out(request: Request) -> Failure:
    """The deadline passed."""
    return Failure(f"No answer within {in_seconds(request.timeout_ms)}", timed_out=True)


def in_seconds(ms: int) -> str:
    """`850 ms`, `10 s`, `1.9 s`."""
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + " s"


def _resolve_line(url: str, addresses: tuple[str, ...]) -> str:
    """The `+` lets libcurl forget the addresses after a minute, like any other it finds."""
    host, port = host_and_port(url)
    listed = ",".join(f"[{each}]" if ":" in each else each for each in addresses)
    return f"+{host}:{port}:{listed}"


def _fields(lines: list[bytes]) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in lines if b":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _certificate_ends(chain: list[list[tuple[str, str]]]) -> float | None:
    """When the first certificate of a chain ends, in epoch seconds; None without TLS."""
    named = dict(entry for entry in chain[0] if len(entry) == 2) if chain else {}
    try:
        return float(ssl.cert_time_to_seconds(named["Expire date"]))
    except (KeyError, ValueError):
        return None


def _not_connected(where: str, number: int) -> Failure:
    match number:
        case errno.ECONNREFUSED:
            return Failure(f"Connection refused by {where}")
        case errno.ENETUNREACH | errno.EHOSTUNREACH:
            return Failure(f"There is no way to {where}")
        case errno.ETIMEDOUT:
            return Failure(f"{where} does not answer", timed_out=True)
    if number in _OUT_OF_RESOURCES:
        return Failure(f"No connection could be opened on this machine: {os.strerror(number)}", Cause.OURS)
    return Failure(f"No connection to {where}" + (f": {os.strerror(number)}" if number else ""))


def _certificate_fault(message: str) -> str:
    """libcurl's reasons, in words for people who do not know OpenSSL."""
    if "no alternative certificate subject name" in message or "does not match" in message:
        return "it is for another host name"
    found = _VERIFY_RESULT.search(message)
    text = _tidy(found[1] if found else message)
    return {
        "certificate has expired": "it has expired",
        "certificate is not yet valid": "it is not valid yet",
        "self-signed certificate": "it is self-signed",
        "self signed certificate": "it is self-signed",
        "unable to get local issuer certificate": "its issuer is unknown",
        "self-signed certificate in certificate chain": "its issuer is unknown",
    }.get(text, text)


def _lost(message: str) -> str:
    return "it was reset" if "reset by peer" in message else _tidy(message)


def _tidy(message: str) -> str:
    text = " ".join(message.encode("utf-8", "replace").decode().split())
    return text[:200] or "unknown reason"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@functools.cache
def _system_certificates() -> str | None:
    """The file of trusted issuers on this machine. The bundled libcurl was built elsewhere and may look in the wrong place."""
    found = ssl.get_default_verify_paths().cafile
    for path in (found, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"):
        with contextlib.suppress(OSError):
            if path and os.stat(path).st_size:  # noqa: PTH116
                return path
    return None
