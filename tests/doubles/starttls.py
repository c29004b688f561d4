"""Parts for `TcpDouble`: servers that begin in the clear and change to TLS, each as its protocol has it."""

import asyncio
import ssl

from tests.doubles.tcp import Part

Lines = tuple[bytes, ...]


def imap(context: ssl.SSLContext, *, greeting: bytes = b"* OK ready", consent: Lines = (b"k1 OK go",)) -> Part:
    return _in_lines(context, (greeting,), {b"k1 STARTTLS": consent})


def pop3(context: ssl.SSLContext, *, greeting: bytes = b"+OK ready", consent: Lines = (b"+OK go",)) -> Part:
    return _in_lines(context, (greeting,), {b"STLS": consent})


def smtp(
    context: ssl.SSLContext,
    *,
    greeting: Lines = (b"220 mail.test ESMTP",),
    ehlo: Lines = (b"250-mail.test", b"250-SIZE 1000", b"250 STARTTLS"),
    consent: Lines = (b"220 go",),
) -> Part:
    return _in_lines(context, greeting, {b"EHLO [127.0.0.1]": ehlo, b"STARTTLS": consent})


def postgresql(context: ssl.SSLContext, *, consent: bytes = b"S") -> Part:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == bytes.fromhex("0000000804d2162f")
        writer.write(consent)
        await writer.drain()
        if consent == b"S":
            await writer.start_tls(context)
            await reader.read()

    return part


def _in_lines(context: ssl.SSLContext, greeting: Lines, script: dict[bytes, Lines]) -> Part:
    """The last answer of the script is the consent: after it comes TLS, if it says so; an unknown line ends the conversation."""

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _say(writer, greeting)
        *before, last = script
        for expected in (*before, last):
            line = (await reader.readline()).rstrip(b"\r\n")
            if line != expected:
                return
            await _say(writer, script[line])
        if any(word in script[last][-1] for word in (b" OK", b"+OK", b"220 ")):
            await writer.start_tls(context)
            await reader.read()

    return part


async def _say(writer: asyncio.StreamWriter, lines: Lines) -> None:
    writer.write(b"".join(line + b"\r\n" for line in lines))
    await writer.drain()
