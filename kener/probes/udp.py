"""Looks at UDP ports: one datagram, then what comes back.

With something to expect, silence is DOWN. Without, silence only proves that nothing refused: it is UP, and has no latency.
"""

import asyncio
import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import cast

from kener.domain.assertions import judge
from kener.domain.readings import Reading
from kener.domain.specs import Spec, UdpSpec
from kener.domain.specs.talk import unescaped
from kener.domain.status import Status
from kener.net.transfer import in_seconds
from kener.probes import Target, aio, many
from kener.probes.aio import Down, Ours, Watch
from kener.probes.limits import limited
from kener.probes.talk import Heard


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    return aio.run(
        targets, _look, timeout_ms=lambda spec: cast(UdpSpec, spec).timeout + many.GRACE_MS, budget_s=budget_s
    )


async def _look(spec: Spec, watch: Watch) -> Reading:
    spec, heard = cast(UdpSpec, spec), Heard()
    try:
        reading = await _seen(spec, watch, heard)
    except Down as down:
        reading = aio.failed(down, watch)
    return judge(spec, reading, heard.facts)


async def _seen(spec: UdpSpec, watch: Watch, heard: Heard) -> Reading:
    try:
        async with asyncio.timeout(spec.timeout / 1000):
            await _exchange(spec, watch, heard)
    except TimeoutError:
        return _after_silence(spec, watch, heard)
    ms = max(1, watch.ms)
    watch.mark("answer")
    return limited(spec, Reading(Status.UP, ms, answer=heard.text or None, phases=dict(watch.phases)), "Answer")


async def _exchange(spec: UdpSpec, watch: Watch, heard: Heard) -> None:
    """Ask one address after the other until one does not refuse. Raises Down, Ours."""
    candidates = await aio.addresses(spec.host)
    watch.mark("dns")
    last: Down | Ours | None = None
    for address in candidates:
        where = f"[{address}]:{spec.port}" if ":" in address else f"{address}:{spec.port}"
        try:
            return await _ask(spec, address, heard)
        except OSError as error:
            last = _refusal(error, where)
    assert last is not None
    raise last


async def _ask(spec: UdpSpec, address: str, heard: Heard) -> None:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as ours:
        ours.setblocking(False)
        # Connected, the kernel takes datagrams of nobody else and says when a machine answers that the port is closed.
        ours.connect((address, spec.port))
        ours.send(unescaped(spec.send))

        async def read(_size: int) -> bytes:
            while not (found := await loop.sock_recv(ours, 65_536)):
                if not spec.expect:
                    return b""
            return found

        if spec.expect:
            await heard.until(spec, read)
        else:
            heard.said += await read(0)


def _after_silence(spec: UdpSpec, watch: Watch, heard: Heard) -> Reading:
    within = f"within {in_seconds(spec.timeout)}"
    if "dns" not in watch.phases:
        return Reading(Status.DOWN, error=f"The name {spec.host} was not found {within}", timed_out=True)
    if heard.said:
        said = f"No more than this {within}, which is not what is expected: {heard.text}"
        return Reading(Status.DOWN, error=said, timed_out=True, answer=heard.text, phases=dict(watch.phases))
    if spec.expect:
        return Reading(Status.DOWN, error=f"No answer {within}", timed_out=True, phases=dict(watch.phases))
    return Reading(Status.UP, answer=f"No answer and no refusal {within}", phases=dict(watch.phases))


def _refusal(error: OSError, where: str) -> Down | Ours:
    if error.errno == errno.ECONNREFUSED:
        return Down(f"Nothing listens at {where}: the port is unreachable (ICMP)")
    return aio.sorted_out(error, where)
