"""ICMP echo requests and what comes back: one socket for each address family, shared by all looks of an event loop.

Datagram sockets need no privilege, only a group in `net.ipv4.ping_group_range`; where the kernel refuses one, a raw socket is tried
(CAP_NET_RAW). Raw sockets hear the replies of everybody on this machine: ours are known by a token in the payload.
"""

import asyncio
import os
import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kener.probes.aio import Ours

_HEADER = struct.Struct("!BBHHH")
_FAULT = struct.Struct("=IBBBBII")
"""sock_extended_err of Linux: errno, origin, type, code."""
_TOKEN_BYTES = 16
_PAYLOAD_BYTES = 56
_AT_A_TIME = 64
_RECEIVE_BUFFER = 1 << 20
_ERROR_QUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)
_GONE_WRONG = {
    4: {
        (3, 0): "network unreachable",
        (3, 1): "host unreachable",
        (3, 13): "forbidden by a filter",
        (11, 0): "too many hops",
    },
    6: {(1, 0): "no route", (1, 1): "forbidden by a filter", (1, 3): "host unreachable", (3, 0): "too many hops"},
}


@dataclass(frozen=True, slots=True)
class Family:
    """The numbers of ICMP in one version of IP."""

    version: int
    domain: socket.AddressFamily
    protocol: int
    request: int
    reply: int
    faults: tuple[int, ...]
    level: int
    receive_errors: int
    """The socket option by which the kernel keeps what routers complain about."""


V4 = Family(4, socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, (3, 11), socket.IPPROTO_IP, 11)
V6 = Family(6, socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, (1, 3), socket.IPPROTO_IPV6, 25)


@dataclass(slots=True)
class Echo:
    """One packet on its way. `answer` holds milliseconds, or in words why none comes."""

    address: str
    sent: float
    answer: "asyncio.Future[float | str]"


@dataclass(slots=True)
class Echoes:
    """The open channels by IP version, and how many looks use each."""

    _open: dict[int, "Channel"] = field(default_factory=dict)
    _users: dict[int, int] = field(default_factory=dict)

    @asynccontextmanager
    async def channel(self, address: str) -> AsyncIterator["Channel"]:
        """The channel on which an address can be asked. Raises Ours where this machine may not, or cannot."""
        family = V6 if ":" in address else V4
        if family.version not in self._open:
            self._open[family.version] = Channel(family)
        self._users[family.version] = self._users.get(family.version, 0) + 1
        try:
            yield self._open[family.version]
        finally:
            self._users[family.version] -= 1
            if not self._users[family.version]:
                self._open.pop(family.version).close()


class Channel:
    """A socket for echo requests in one version of IP."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._socket, self.privileged = _opened(family)
        self._identifier = secrets.randbelow(1 << 16)
        self._token = secrets.token_bytes(_TOKEN_BYTES)
        self._next = secrets.randbelow(1 << 16)
        self._waiting: dict[int, Echo] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._arrived)

    def close(self) -> None:
        """No more is heard."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def ask(self, address: str, *, timeout_s: float) -> float | str | None:
        """Milliseconds until the reply; in words what a router says instead; None where nothing comes in time. Raises OSError, Ours."""
        number = self._number()
        echo = Echo(address, time.monotonic(), self._loop.create_future())
        self._waiting[number] = echo
        try:
            self._send(number, address)
            async with asyncio.timeout_at(self._loop.time() + timeout_s):
                return await echo.answer
        except TimeoutError:
            return None
        finally:
            del self._waiting[number]

    def _number(self) -> int:
        """The sequence number of the next packet: of those under way, none has it."""
        for _ in range(1 << 16):
            self._next = (self._next + 1) & 0xFFFF
            if self._next not in self._waiting:
                return self._next
        raise Ours("Too many echo requests are under way on this machine")

    def _send(self, number: int, address: str) -> None:
        payload = self._token.ljust(_PAYLOAD_BYTES, b"\0")
        packet = _HEADER.pack(self._family.request, 0, 0, self._identifier, number) + payload
        packet = packet[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]
        for last in (False, True):
            try:
                self._socket.sendto(packet, (address, 0))
                return
            except PermissionError as error:
                raise Ours(f"This machine may not send echo requests (ICMP) to {address}: {error.strerror}") from None
            except OSError:
                # What a router said about an earlier packet to another host comes out here once.
                if last or not self._complaints():
                    raise

    def _arrived(self) -> None:
        now = time.monotonic()
        for _ in range(_AT_A_TIME):
            try:
                packet, sender = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError:
                self._complaints()
                continue
            self._read(packet, str(sender[0]), now)

    def _read(self, packet: bytes, sender: str, now: float) -> None:
        if self._family is V4 and packet and packet[0] >> 4 == 4:
            # Raw sockets give the IP header too. No kind of ICMP message begins like one.
            packet = packet[(packet[0] & 0x0F) * 4 :]
        if len(packet) < _HEADER.size:
            return
        kind, code, _, _, number = _HEADER.unpack_from(packet)
        if kind == self._family.reply:
            if packet[_HEADER.size : _HEADER.size + _TOKEN_BYTES] == self._token and (
                echo := self._waiting.get(number)
            ):
                _settle(echo, (now - echo.sent) * 1000)
        elif kind in self._family.faults and self.privileged:
            inner = packet[_HEADER.size :]
            asked = inner[(inner[0] & 0x0F) * 4 :] if self._family is V4 and inner else inner[40:]
            if len(asked) >= _HEADER.size and _HEADER.unpack_from(asked)[3] == self._identifier:
                self._complained(asked, kind, code, sender)

    def _complaints(self) -> bool:
        """Read what the kernel kept of the complaints of routers. Returns whether there was any."""
        found = False
        for _ in range(_AT_A_TIME):
            try:
                asked, extras, _, _ = self._socket.recvmsg(2048, 512, _ERROR_QUEUE)
            except OSError:
                break
            found = True
            for level, option, data in extras:
                if (level, option) == (self._family.level, self._family.receive_errors) and len(data) >= _FAULT.size:
                    _, _, kind, code, _, _, _ = _FAULT.unpack_from(data)
                    self._complained(asked, kind, code, _offender(data[_FAULT.size :]))
        return found

    def _complained(self, asked: bytes, kind: int, code: int, who: str) -> None:
        if len(asked) >= _HEADER.size and (echo := self._waiting.get(_HEADER.unpack_from(asked)[4])):
            words = _GONE_WRONG[self._family.version].get((kind, code), "unreachable")
            _settle(echo, f"{who} says: {words}" if who else words)


def _opened(family: Family) -> tuple[socket.socket, bool]:
    """A socket, and whether it is a raw one. Raises Ours with both refusals' reason."""
    try:
        opened, privileged = socket.socket(family.domain, socket.SOCK_DGRAM, family.protocol), False
    except OSError:
        try:
            opened, privileged = socket.socket(family.domain, socket.SOCK_RAW, family.protocol), True
        except PermissionError:
            raise Ours(
                "This machine may not send echo requests (ICMP). Add the group of the process to net.ipv4.ping_group_range, give it "
                "CAP_NET_RAW, or watch a TCP port instead."
            ) from None
        except OSError as error:
            raise Ours(f"No socket for ICMP could be opened on this machine: {os.strerror(error.errno or 0)}") from None
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    if not privileged:
        opened.setsockopt(family.level, family.receive_errors, 1)
    return opened, privileged


def _settle(echo: Echo, answer: float | str) -> None:
    if not echo.answer.done():
        echo.answer.set_result(answer)


def _offender(data: bytes) -> str:
    """The address behind a sock_extended_err."""
    if len(data) < 8:
        return ""
    (domain,) = struct.unpack_from("=H", data)
    if domain == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, data[4:8])
    return socket.inet_ntop(socket.AF_INET6, data[8:24]) if domain == socket.AF_INET6 and len(data) >= 24 else ""


def _checksum(packet: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
