"""Targets that answer after 100 ms, or never: python -m bench.target PORT. One process, asyncio.

HTTP and TCP on PORT, TLS on PORT + 1, UDP on PORT + 2 (echo) and + 3 (DNS); UDP on PORT + 4 is silent.
"""

import asyncio
import ssl
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
DELAY_S = 0.1


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /hang"):
                await asyncio.sleep(120)
            await asyncio.sleep(DELAY_S)
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


class Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram with what `reply` makes of it, after the delay; never where that is None."""

    def __init__(self, reply: Callable[[bytes], bytes | None]) -> None:
        self.reply = reply

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        answer = self.reply(data)
        if answer is not None:
            asyncio.get_running_loop().call_later(DELAY_S, self.transport.sendto, answer, address)


def resolved(query: bytes) -> bytes:
    asked = dns.message.from_wire(query)
    answer = dns.message.make_response(asked)
    answer.answer.append(dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", "192.0.2.1"))
    return answer.to_wire()


def certified() -> ssl.SSLContext:
    """A server's context with a certificate of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=90))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        Path(file.name).write_bytes(pem)
        context.load_cert_chain(file.name)
    return context


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096)
    await asyncio.start_server(serve, "127.0.0.1", port + 1, backlog=4096, ssl=certified())
    for offset, reply in ((2, lambda data: data), (3, resolved), (4, lambda data: None)):
        await loop.create_datagram_endpoint(lambda reply=reply: Datagrams(reply), ("127.0.0.1", port + offset))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
