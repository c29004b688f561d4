"""Looks at certificates: how long they last, who issued them, and whether they are trusted.

The latency is the time to the end of the TLS handshake. A certificate that is not trusted still says how long it lasts and who issued it.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from kener.domain.assertions import judge
from kener.domain.durations import in_words
from kener.domain.readings import Reading
from kener.domain.specs import Spec, SslSpec
from kener.domain.specs.assertions import Source
from kener.domain.specs.ssl import CertificateSpec
from kener.domain.status import Status
from kener.probes import Target, aio, tls
from kener.probes.aio import Watch
from kener.probes.limits import limited
from kener.probes.tls import Peer

_HOUR_S = 3_600
_DAY_S = 86_400


def probe(targets: Sequence[Target], *, budget_s: float | None = None) -> Iterator[tuple[int, Reading | None]]:
    """Look at all targets at once; see the package for the contract."""
    return aio.run(targets, _look, timeout_ms=lambda spec: cast(SslSpec, spec).timeout, budget_s=budget_s)


async def _look(spec: Spec, watch: Watch) -> Reading:
    spec = cast(SslSpec, spec)
    peer = await tls.inspect(spec.host, spec.port, watch, server_name=spec.serverName)
    return judged(spec, peer, watch)


def judged(spec: CertificateSpec, peer: Peer, watch: Watch) -> Reading:
    """What a certificate is worth, once the phase `tls` has ended."""
    status, error = _judge(spec, peer)
    ms = watch.phases["tls"]
    seen = Reading(status, ms, error, answer=_answer(peer), phases={**watch.phases, "total": ms})
    return judge(spec, limited(spec, seen, "TLS handshake"), {Source.CERTIFICATE_DAYS: peer.days_left})


def _judge(spec: CertificateSpec, peer: Peer) -> tuple[Status, str | None]:
    """Whether it is trusted first, then the hours that are left."""
    left_s = peer.days_left * _DAY_S
    if peer.faults and not spec.allowSelfSignedCert:
        return Status.DOWN, f"{peer.objection}. {_dates(left_s)}, issued by {peer.issuer}"
    if left_s <= 0:
        return Status.DOWN, f"{_dates(left_s)}, issued by {peer.issuer}"
    for status, hours in ((Status.DOWN, spec.downRemainingHours), (Status.DEGRADED, spec.degradedRemainingHours)):
        if left_s <= hours * _HOUR_S:
            return status, f"{_dates(left_s)}, limit {in_words(hours * _HOUR_S)}; issued by {peer.issuer}"
    return Status.UP, None


def _dates(left_s: float) -> str:
    return (
        f"The certificate expires in {in_words(left_s)}"
        if left_s > 0
        else f"The certificate expired {in_words(-left_s)} ago"
    )


def _answer(peer: Peer) -> str:
    return f"{peer.subject}, {in_words(max(0.0, peer.days_left) * _DAY_S)} left, issued by {peer.issuer}, {peer.key}, {peer.version}"
