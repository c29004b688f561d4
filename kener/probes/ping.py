"""Looks at hosts with echo requests: all of them at once, each with packets and a time limit of its own.

The latency is the mean time of the replies of the hosts that answered; names are looked up before and do not count. Where this machine may
not send echo requests, there is no reading: nothing else takes their place.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import cast

from kener.domain.assertions import judge
from kener.domain.readings import Reading
from kener.domain.specs import PingSpec, Spec
from kener.domain.specs.assertions import Source
from kener.domain.specs.ping import SPACING_MS, PingHost
from kener.net.transfer import in_seconds
from kener.probes import Target, aio, many
from kener.probes.aio import Down, Ours, Watch
from kener.probes.echo import Channel, Echoes

Replies = list[float | str | None]


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    echoes = Echoes()

    async def look(spec: Spec, _watch: Watch) -> Reading:
        return await _look(cast(PingSpec, spec), echoes)

    return aio.run(targets, look, timeout_ms=_limit_ms, budget_s=budget_s)


def _limit_ms(spec: Spec) -> int:
    return many.limit_ms(host.timeout + host.lasts_ms for host in cast(PingSpec, spec).hosts)


async def _look(spec: PingSpec, echoes: Echoes) -> Reading:
    packets: Replies = []

    async def ask(host: PingHost, watch: Watch) -> tuple[float, str | None]:
        return await _ask(host, watch, echoes, packets)

    seen = await many.look_at(spec.hosts, ask, called=lambda host: host.host)
    lost = [packet for packet in packets if not isinstance(packet, float)]
    facts = {Source.PACKET_LOSS: 100 * len(lost) / len(packets)} if packets else {}
    return judge(spec, many.together(spec, seen, said="Reply"), facts)


async def _ask(host: PingHost, watch: Watch, echoes: Echoes, packets: Replies) -> tuple[float, str | None]:
    try:
        async with asyncio.timeout(host.timeout / 1000):
            candidates = await aio.addresses(host.host)
    except TimeoutError:
        raise Down(f"The name {host.host} was not found within {in_seconds(host.timeout)}", timed_out=True) from None
    watch.mark("dns")
    last: Down | Ours | None = None
    for address in candidates:
        try:
            async with echoes.channel(address) as channel:
                replies = await _exchange(channel, address, host)
        except OSError as error:
            last = aio.sorted_out(error, address)
            continue
        except Ours as ours:
            last = ours
            continue
        packets += replies
        watch.mark("reply")
        return _judge(host, address, replies)
    assert last is not None
    raise last


async def _exchange(channel: Channel, address: str, host: PingHost) -> Replies:
    """One packet after the other, none waiting for the reply to the one before."""

    async def one(number: int) -> float | str | None:
        await asyncio.sleep(number * SPACING_MS / 1000)
        return await channel.ask(address, timeout_s=host.timeout / 1000)

    found = await asyncio.gather(*(one(number) for number in range(host.count)), return_exceptions=True)
    errors = [reply for reply in found if isinstance(reply, BaseException)]
    replies = [reply for reply in found if not isinstance(reply, BaseException)]
    if errors and not any(isinstance(reply, float) for reply in replies):
        raise errors[0]
    return replies + [None] * len(errors)


def _judge(host: PingHost, address: str, replies: Replies) -> tuple[float, str | None]:
    """The mean of the replies, and what is said of them. Raises Down where there is none."""
    times = [reply for reply in replies if isinstance(reply, float)]
    if times:
        mean = sum(times) / len(times)
        said = f"{len(times)} of {len(replies)} replies, {_ms(mean)} on average, {_ms(max(times))} at most"
        return mean, said
    where = address if address == host.host else f"{host.host} ({address})"
    if complaint := next((reply for reply in replies if isinstance(reply, str)), None):
        raise Down(f"No reply from {where}: {complaint}")
    packets = "the packet" if host.count == 1 else f"any of {host.count} packets"
    raise Down(f"No reply from {where} to {packets} within {in_seconds(host.timeout)}", timed_out=True)


def _ms(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 100 else f"{ms:.0f} ms"
