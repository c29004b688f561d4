"""Asks exactly one resolver for records, over UDP, TCP or TLS.

A question has a random id; an answer counts only with that id and that question. Whatever else arrives is passed over until the deadline,
and named then. Over UDP the question is sent three times at most, and asked again over TCP where the answer was cut off. The latency is
the whole of it: the resolver's name, the connection, the answer.
"""

import asyncio
import ipaddress
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.reversename
import re2

from kener.domain.assertions import judge
from kener.domain.hosts import ascii_host
from kener.domain.readings import Reading
from kener.domain.specs import DnsSpec, Spec
from kener.domain.specs.assertions import Source
from kener.domain.status import Status
from kener.net.transfer import in_seconds
from kener.probes import Target, aio, tls
from kener.probes.aio import Down, Ours, Watch, connected, sorted_out
from kener.probes.limits import limited

_SENT_TIMES = 3
_MARGIN_S = 0.02
"""So much before the deadline of the look the waiting ends, to say what did arrive."""
_UDP_SIZE = 1_232
_SHOWN = 200
_KNOWS_NO_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
_CASE_COUNTS = frozenset(("TXT", "SPF", "URI", "NAPTR"))
_TARGET_LAST = frozenset(("MX", "SRV", "KX", "AFSDB", "RT"))

_RCODES = {
    "NOERROR": "{host} exists (NOERROR)",
    "FORMERR": "The resolver could not read the question (FORMERR)",
    "SERVFAIL": "The resolver failed to find an answer (SERVFAIL)",
    "NXDOMAIN": "The name {host} does not exist (NXDOMAIN)",
    "NOTIMP": "The resolver does not know this kind of question (NOTIMP)",
    "REFUSED": "The resolver refuses to answer (REFUSED)",
    "YXDOMAIN": "A name exists that should not (YXDOMAIN)",
    "YXRRSET": "Records exist that should not (YXRRSET)",
    "NXRRSET": "Records that should exist do not (NXRRSET)",
    "NOTAUTH": "The server is not in charge of this zone, or the question is not authorised (NOTAUTH)",
    "NOTZONE": "The name is not in the zone (NOTZONE)",
    "DSOTYPENI": "The resolver knows no stateful operations of this type (DSOTYPENI)",
    "BADVERS": "The resolver does not know this version of EDNS, or the signature is bad (BADVERS)",
    "BADKEY": "The resolver does not know the key (BADKEY)",
    "BADTIME": "The clocks are too far apart (BADTIME)",
    "BADMODE": "The resolver does not know this mode of keys (BADMODE)",
    "BADNAME": "The name of a key is taken (BADNAME)",
    "BADALG": "The resolver does not know the algorithm (BADALG)",
    "BADTRUNC": "The signature is cut too short (BADTRUNC)",
    "BADCOOKIE": "The cookie is missing or wrong (BADCOOKIE)",
}


@dataclass(frozen=True, slots=True)
class Records:
    """What was answered. `texts` are records as people read them; `forms` are, for each, what it compares equal to."""

    rcode: str
    texts: tuple[str, ...] = ()
    forms: tuple[frozenset[str], ...] = ()
    ttl: int | None = None


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    return aio.run(targets, _look, timeout_ms=lambda spec: cast(DnsSpec, spec).timeout, budget_s=budget_s)


async def _look(spec: Spec, watch: Watch) -> Reading:
    spec = cast(DnsSpec, spec)
    reply = await _Asking(spec, watch).answer()
    watch.mark("answer")
    ms = watch.ms
    found = _records(reply, spec)
    fault = _fault(spec, found)
    seen = Reading(
        Status.DOWN if fault else Status.UP,
        ms,
        fault[: aio.ERROR_LENGTH] if fault else None,
        answer=_said(found),
        phases={**watch.phases, "total": ms},
    )
    facts: dict[Source, Any] = {Source.RECORDS: list(found.texts), Source.RCODE: found.rcode}
    if found.ttl is not None:
        facts[Source.TTL] = found.ttl
    return judge(spec, limited(spec, seen, found.rcode), facts)


class _Asking:
    """One question on its way to an answer."""

    def __init__(self, spec: DnsSpec, watch: Watch) -> None:
        self.spec, self.watch = spec, watch
        self.query = _query(spec, edns=True)
        self.passed_over: str | None = None

    async def answer(self) -> dns.message.Message:
        """The answer to the question. Raises Down, Ours, OSError."""
        try:
            reply = await self._asked()
            if reply.rcode() in _KNOWS_NO_EDNS and reply.edns < 0 and self.query.edns >= 0:
                self.query = _query(self.spec, edns=False)
                reply = await self._asked()
        except TimeoutError:
            said = f"No answer within {in_seconds(self.spec.timeout)}"
            raise Down(f"{said}; {self.passed_over}" if self.passed_over else said, timed_out=True) from None
        return reply

    async def _asked(self) -> dns.message.Message:
        spec = self.spec
        async with asyncio.timeout(self._left_s()):
            if spec.transport == "TLS":
                return await self._over_tls()
            resolvers = await self._resolvers()
            return await self._ask_in_turn(resolvers)

    async def _ask_in_turn(self, resolvers: Sequence[str]) -> dns.message.Message:
        """The first resolver that answers; each gets its share of the time."""
        last: Exception = TimeoutError()
        for place, address in enumerate(resolvers):
            share_s = self._left_s() / (len(resolvers) - place)
            try:
                async with asyncio.timeout(share_s):
                    if self.spec.transport == "TCP":
                        return await self._over_tcp(address)
                    return await self._over_udp(address, share_s)
            except (TimeoutError, Down, OSError) as error:
                last = error
        raise last

    async def _resolvers(self) -> Sequence[str]:
        if self.spec.nameServer:
            found: Sequence[str] = await aio.addresses(ascii_host(self.spec.nameServer))
        else:
            # The resolvers of this machine are its own choice: no policy stands in their way.
            found = _system_resolvers()
        self.watch.mark("dns")
        return found

    async def _over_udp(self, address: str, share_s: float) -> dns.message.Message:
        loop, port = asyncio.get_running_loop(), self.spec.nameServerPort
        where = _place(address, port)
        try:
            transport, socket = await loop.create_datagram_endpoint(_Datagrams, remote_addr=(address, port))
        except OSError as error:
            raise sorted_out(error, where) from error
        try:
            reply = await self._sent_until_heard(transport, socket, share_s / _SENT_TIMES, where)
        except OSError as error:
            raise sorted_out(error, where) from error
        finally:
            transport.close()
        if reply.flags & dns.flags.TC:
            return await self._over_tcp(address)
        return reply

    async def _sent_until_heard(
        self, transport: asyncio.DatagramTransport, socket: "_Datagrams", patience_s: float, where: str
    ) -> dns.message.Message:
        """Datagrams get lost: the same question goes out again while there is no answer to it."""
        for _ in range(_SENT_TIMES - 1):
            transport.sendto(self.query.to_wire())
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    return await self._heard(socket.next, where)
        transport.sendto(self.query.to_wire())
        return await self._heard(socket.next, where)

    async def _over_tcp(self, address: str) -> dns.message.Message:
        port = self.spec.nameServerPort
        try:
            reader, writer = await asyncio.open_connection(address, port)
        except OSError as error:
            raise sorted_out(error, _place(address, port)) from error
        try:
            self.watch.mark("connect")
            return await self._exchanged(reader, writer, _place(address, port))
        finally:
            writer.transport.abort()

    async def _over_tls(self) -> dns.message.Message:
        host, port = ascii_host(self.spec.nameServer or ""), self.spec.tlsPort
        where = _place(host, port)
        async with connected(host, port, self.watch) as (reader, writer):
            peer = await tls.upgrade(reader, writer, where=where, server_name=self.spec.tlsServername or host)
            self.watch.mark("tls")
            if peer.objection and not self.spec.allowSelfSignedCert:
                raise Down(peer.objection)
            return await self._exchanged(reader, writer, where)

    async def _exchanged(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str
    ) -> dns.message.Message:
        """One question and its answer on a stream, each behind its length."""
        wire = self.query.to_wire()

        async def next_message() -> bytes:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            return await reader.readexactly(length)

        try:
            writer.write(struct.pack("!H", len(wire)) + wire)
            return await self._heard(next_message, where)
        except asyncio.IncompleteReadError:
            raise Down(f"{where} closed the connection without an answer") from None
        except ConnectionError as error:
            raise sorted_out(error, where) from error

    async def _heard(self, next_message: Callable[[], Any], where: str) -> dns.message.Message:
        """The first message that answers the question."""
        while True:
            wire = await next_message()
            try:
                reply = dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=True)
            except dns.message.Truncated as cut:
                reply = cast(dns.message.Message, cut.kwargs["message"])
            except (dns.exception.DNSException, ValueError, struct.error):
                if _mere_header_of(wire, self.query):
                    raise Down(f"The answer of {where} cannot be read") from None
                self.passed_over = f"what {where} sent cannot be read"
                continue
            if self.query.is_response(reply):
                return reply
            what = "another question" if reply.id == self.query.id else "a question with another id"
            self.passed_over = f"{where} answered {what}"

    def _left_s(self) -> float:
        return max(0.01, (self.spec.timeout - self.watch.ms) / 1000 - _MARGIN_S)


class _Datagrams(asyncio.DatagramProtocol):
    """Datagrams as they come, and the error that ends them. The socket is connected: only the resolver's are delivered."""

    def __init__(self) -> None:
        self._come: asyncio.Queue[bytes | Exception] = asyncio.Queue(maxsize=100)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self._come.full():
            self._come.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        if not self._come.full():
            self._come.put_nowait(exc)

    async def next(self) -> bytes:
        item = await self._come.get()
        if isinstance(item, Exception):
            raise item
        return item


def _query(spec: DnsSpec, *, edns: bool) -> dns.message.QueryMessage:
    """dnspython takes ids from the system's random source."""
    settings: dict[str, Any] = {"use_edns": 0, "payload": _UDP_SIZE} if edns else {"use_edns": False}
    return dns.message.make_query(asked_name(spec.host), dns.rdatatype.from_text(spec.lookupRecord), **settings)


def asked_name(host: str) -> dns.name.Name:
    """The name that is asked for: absolute, in ASCII; that of the reverse zone for an address. Raises Ours."""
    try:
        ipaddress.ip_address(host)
        return dns.reversename.from_address(host)
    except ValueError:
        pass
    star = "*." if host.startswith("*.") else ""
    try:
        text = host if host.isascii() else star + ascii_host(host.removeprefix("*."))
        return dns.name.from_text(text)
    except (dns.exception.DNSException, ValueError) as error:
        raise Ours(f"The name {host} cannot be asked for: {error}") from error


def _system_resolvers() -> Sequence[str]:
    try:
        found = [str(one) for one in dns.resolver.Resolver().nameservers]
    except (dns.exception.DNSException, OSError) as error:
        raise Ours(f"This machine has no resolver: {error}") from error
    if not found:
        raise Ours("This machine has no resolver")
    return found[:3]


def _mere_header_of(wire: bytes, query: dns.message.Message) -> bool:
    """Whether damaged bytes begin as the answer to the question does."""
    return len(wire) >= 12 and struct.unpack("!H", wire[:2])[0] == query.id and bool(wire[2] & 0x80)


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _records(reply: dns.message.Message, spec: DnsSpec) -> Records:
    rcode = dns.rcode.to_text(reply.rcode())
    if spec.lookupRecord == "ANY":
        rrsets = list(reply.answer)
    else:
        try:
            answer = cast(dns.message.QueryMessage, reply).resolve_chaining().answer
        except dns.message.ChainTooLong:
            raise Down(f"The aliases (CNAME) of {spec.host} go in a circle, or there are too many") from None
        except dns.exception.DNSException:
            answer = None
        rrsets = [answer] if answer is not None else []
    found = sorted(
        (_text(rdata, mixed=spec.lookupRecord == "ANY"), _forms(rdata)) for rrset in rrsets for rdata in rrset
    )
    return Records(
        rcode=rcode,
        texts=tuple(text for text, _ in found),
        forms=tuple(forms for _, forms in found),
        ttl=min((rrset.ttl for rrset in rrsets), default=None),
    )


def _text(rdata: Any, *, mixed: bool = False) -> str:
    """A record as people read it: names without the dot at the end, TXT without quotes."""
    kind = dns.rdatatype.to_text(rdata.rdtype)
    if kind in ("TXT", "SPF"):
        text = b"".join(rdata.strings).decode(errors="backslashreplace")
    else:
        text = " ".join(word.removesuffix(".") or "." for word in rdata.to_text().split(" "))
    return f"{kind} {text}" if mixed else text


def _forms(rdata: Any) -> frozenset[str]:
    """What a record compares equal to: itself; without its priority too, where the rest is the name of a server."""
    kind, text = dns.rdatatype.to_text(rdata.rdtype), _text(rdata)
    forms = {text}
    if kind in _TARGET_LAST:
        forms.add(text.rsplit(" ", 1)[-1])
    if kind == "SRV":
        forms.add(f"{text.rsplit(' ', 1)[-1]}:{rdata.port}")
    forms |= {f"{kind} {one}" for one in forms}
    return frozenset(_normal(one, kind) for one in forms)


def _normal(value: str, kind: str) -> str:
    """How values are compared: without quotes, spare blanks and dots at the end; the case counts in texts only."""
    if kind in _CASE_COUNTS:
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    value = value.strip()
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        pass
    words = [word.removesuffix(".") or "." for word in value.replace('"', "").split()]
    if len(words) == 1 and not words[0].isascii():
        try:
            return ascii_host(words[0])
        except ValueError:
            pass
    return " ".join(words).lower()


def _fault(spec: DnsSpec, found: Records) -> str | None:
    """Why this is not what was expected, or None."""
    if found.rcode != spec.rcode:
        said = _RCODES.get(found.rcode, f"The resolver answers with the unknown code {found.rcode}").format(
            host=spec.host
        )
        return said if spec.rcode == "NOERROR" else f"{said}, expected {spec.rcode}"
    if spec.rcode != "NOERROR":
        return None
    if not found.texts and not (spec.matchType == "EXACT" and not spec.values):
        return f"{spec.host} has no {spec.lookupRecord} records"
    return _mismatch(spec, found)


def _mismatch(spec: DnsSpec, found: Records) -> str | None:
    listed = _listed(found.texts)
    match spec.matchType:
        case "CONTAINS":
            if not any(_within(one, text, spec.lookupRecord) for one in spec.values for text in found.texts):
                return f"No record contains {_listed(spec.values)}; found {listed}"
            return None
        case "REGEX":
            if not any(_search(one, text) for one in spec.values for text in found.texts):
                return f"No record matches {_listed(spec.values)}; found {listed}"
            return None
    wanted = {one: _wanted(one, spec.lookupRecord) for one in spec.values}
    missing = [one for one, normal in wanted.items() if not any(normal & forms for forms in found.forms)]
    sought = frozenset[str]().union(*wanted.values())
    more = [text for text, forms in zip(found.texts, found.forms, strict=True) if not forms & sought]
    match spec.matchType:
        case "ANY" if wanted and len(missing) == len(wanted):
            return f"Expected {_listed(spec.values)}; found {listed}"
        case "ALL" if missing:
            return f"Missing: {_listed(missing)}; found {listed}"
        case "EXACT" if missing or more:
            parts = (("Missing", missing), ("Not expected", more))
            return "; ".join(f"{word}: {_listed(ones)}" for word, ones in parts if ones)
    return None


def _wanted(value: str, kind: str) -> frozenset[str]:
    """What an expected value may compare as: with ANY a text is not known to be one."""
    return frozenset(_normal(value, one) for one in ((kind,) if kind != "ANY" else ("ANY", "TXT")))


def _within(value: str, text: str, kind: str) -> bool:
    return value in text if kind in _CASE_COUNTS else value.lower() in text.lower()


def _search(expression: str, text: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(expression, options).search(text) is not None


def _listed(values: Sequence[str]) -> str:
    text = ", ".join(values)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _said(found: Records) -> str:
    if not found.texts:
        return found.rcode
    return f"{found.rcode}: {_listed(found.texts)}, TTL {found.ttl} s"
