"""Looks at ports: all hosts at once, each with its own deadline over name, connection, TLS and answer.

The latency of a host is the whole of that time; that of the monitor is the mean of the hosts that answered.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import cast

from kener.domain.assertions import judge
from kener.domain.readings import Reading
from kener.domain.specs import Spec, TcpSpec
from kener.domain.specs.assertions import Source
from kener.domain.specs.talk import unescaped
from kener.domain.specs.tcp import TcpHost
from kener.net.transfer import in_seconds
from kener.probes import Target, aio, many, tls
from kener.probes.aio import Down, Watch
from kener.probes.talk import Heard


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    return aio.run(
        targets,
        _look,
        timeout_ms=lambda spec: many.limit_ms(host.timeout for host in cast(TcpSpec, spec).hosts),
        budget_s=budget_s,
        connections=lambda spec: len(cast(TcpSpec, spec).hosts),
    )


async def _look(spec: Spec, _watch: Watch) -> Reading:
    spec = cast(TcpSpec, spec)

    answers: list[Heard] = []

    async def ask(host: TcpHost, watch: Watch) -> tuple[float, str | None]:
        answers.append(Heard())
        return await _ask(spec, host, watch, answers[-1])

    seen = await many.look_at(spec.hosts, ask, called=place)
    bodies = [body for heard in answers for body in heard.facts.values()]
    return judge(spec, many.together(spec, seen, said=_said(spec)), {Source.BODY: "\n".join(bodies)} if bodies else {})


async def _ask(spec: TcpSpec, host: TcpHost, watch: Watch, heard: Heard) -> tuple[float, str | None]:
    started = time.monotonic()
    try:
        async with asyncio.timeout(host.timeout / 1000), aio.connected(host.host, host.port, watch) as (reader, writer):
            if spec.tls:
                await _shake_hands(spec, host, reader, writer, watch)
            if spec.send:
                writer.write(unescaped(spec.send))
                await writer.drain()
            if spec.wants_answer:
                await heard.until(spec, reader.read)
                watch.mark("answer")
            return (time.monotonic() - started) * 1000, heard.text or None
    except TimeoutError:
        raise Down(_late(spec, host, watch, heard), timed_out=True, answer=heard.text or None) from None
    except ConnectionError as error:
        if "connect" not in watch.phases:
            raise
        raise Down(f"{place(host)} broke the connection off", answer=heard.text or None) from error


async def _shake_hands(
    spec: TcpSpec, host: TcpHost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch
) -> None:
    peer = await tls.upgrade(reader, writer, where=place(host), server_name=spec.server_name or host.host)
    watch.mark("tls")
    if peer.objection and not spec.allowSelfSignedCert:
        raise Down(peer.objection)


def _late(spec: TcpSpec, host: TcpHost, watch: Watch, heard: Heard) -> str:
    """How far it came in its time."""
    within = f"within {in_seconds(host.timeout)}"
    if heard.said:
        return f"No more than this {within}, which is not what is expected: {heard.text}"
    if "tls" in watch.phases or ("connect" in watch.phases and not spec.tls):
        return f"It takes the connection and says nothing {within}"
    if "connect" in watch.phases:
        return f"No TLS handshake {within}"
    return f"No connection {within}" if "dns" in watch.phases else f"The name {host.host} was not found {within}"


def place(host: TcpHost) -> str:
    """What errors call it."""
    return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"


def _said(spec: TcpSpec) -> str:
    if spec.wants_answer:
        return "Answer"
    return "TLS handshake" if spec.tls else "Connection"
