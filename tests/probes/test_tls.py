"""Reading the certificate of a TLS peer, on real connections."""

import asyncio
import datetime as dt
import random
import socket
import ssl
import time
from pathlib import Path

import pytest

from kener.probes import tls
from kener.probes.aio import Down, Watch, connected
from kener.probes.tls import Peer
from tests.doubles.http import HttpDouble
from tests.doubles.tls import Authority
from tests.support.apart import apart


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    return made


def inspected(port: int, *, server_name: str | None = None, timeout_s: float = 5) -> Peer:
    return apart(tls.inspect("127.0.0.1", port, Watch(), server_name=server_name, timeout_s=timeout_s))


def peer_of(context: ssl.SSLContext, *, server_name: str | None = None) -> Peer:
    with HttpDouble(tls=context) as server:
        return inspected(server.port, server_name=server_name)


def test_a_trusted_certificate_is_described_and_has_no_faults(authority: Authority) -> None:
    peer = peer_of(authority.context("127.0.0.1", "shop.example", lasts=dt.timedelta(days=30)))
    assert peer.faults == ()
    assert peer.objection is None
    assert 29.99 < peer.days_left <= 30
    assert (peer.subject, peer.issuer, peer.key) == ("127.0.0.1", "Test Authority", "EC P-256")
    assert peer.names == ("shop.example", "127.0.0.1")
    assert peer.version == "TLSv1.3"


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        ({"expired": True}, "it has expired"),
        ({"self_signed": True}, "it is self-signed"),
        ({"via": "withheld"}, "its issuer is unknown, and the other side sends no certificate of the issuer"),
        ({"via": "expired"}, "the certificate of its issuer Test Intermediate is out of date"),
    ],
)
def test_each_fault_has_its_own_words(authority: Authority, made: dict[str, object], fault: str) -> None:
    assert peer_of(authority.context("127.0.0.1", **made)).faults == (fault,)


def test_a_certificate_that_is_not_valid_yet_says_from_when_on_it_is(authority: Authority) -> None:
    peer = peer_of(authority.context("127.0.0.1", starts=dt.timedelta(days=2), lasts=dt.timedelta(days=9)))
    assert peer.faults == (f"it is not valid before {peer.not_before:%Y-%m-%d %H:%M} UTC",)


def test_every_fault_is_told_and_the_days_all_the_same(tmp_path: Path) -> None:
    peer = peer_of(Authority(tmp_path).context("other.example", expired=True))
    assert peer.faults[:2] == ("it has expired", "it is for another host name: other.example")
    assert peer.faults[2].startswith("its issuer is unknown")
    assert -366 < peer.days_left < -364
    assert (peer.objection or "").startswith("The certificate is not trusted: it has expired, and it is for another")


def test_an_intermediate_certificate_that_is_sent_leads_to_the_authority(authority: Authority) -> None:
    peer = peer_of(authority.context("127.0.0.1", via="sent"))
    assert (peer.faults, peer.sent, peer.issuer) == ((), 2, "Test Intermediate")


def test_an_authority_of_the_same_name_is_not_the_same(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert peer_of(Authority(tmp_path / "other").context("127.0.0.1")).faults == ("its issuer is unknown",)


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("shop.example", True),
        ("SHOP.example.", True),
        ("a.wild.example", True),
        ("a.b.wild.example", False),
        ("wild.example", False),
        ("bücher.example", True),
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("notshop.example", False),
    ],
)
def test_a_name_is_covered_exactly_where_the_certificate_names_it(
    authority: Authority, name: str, covered: bool
) -> None:
    context = authority.context("shop.example", "*.wild.example", "xn--bcher-kva.example", "127.0.0.1")
    assert (peer_of(context, server_name=name).faults == ()) is covered


def test_the_server_name_is_sent_so_that_the_right_certificate_comes(authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.context("127.0.0.1")
    other = authority.context("shop.example")

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        asked.append(name)
        connection.context = other if name == "shop.example" else context

    context.sni_callback = choose  # type: ignore[assignment]
    with HttpDouble(tls=context) as server:
        assert inspected(server.port, server_name="shop.example").subject == "shop.example"
        assert inspected(server.port).subject == "127.0.0.1"
    assert asked == ["shop.example", None]


def test_a_handshake_that_stalls_ends_at_its_deadline() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            inspected(silent.getsockname()[1], timeout_s=0.2)
    assert time.monotonic() - started < 1


def test_what_speaks_no_tls_and_what_hangs_up_are_told_apart() -> None:
    with HttpDouble() as server, pytest.raises(Down) as caught:
        inspected(server.port)
    assert caught.value.reason == f"No TLS connection with 127.0.0.1:{server.port}: the other side does not speak TLS"

    async def hangs_up() -> str:
        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with pytest.raises(Down) as caught:
            await tls.inspect("127.0.0.1", server.sockets[0].getsockname()[1], Watch())
        server.close()
        return caught.value.reason

    assert "closed the connection during the" in apart(hangs_up())


def test_an_open_connection_goes_on_in_tls(authority: Authority) -> None:
    context = authority.context("mail.example")

    async def story() -> tuple[Peer, bytes]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"STARTTLS\r\n"
            writer.write(b"220 go ahead\r\n")
            await writer.start_tls(context)
            writer.write(b"heard " + await reader.readline())
            await writer.drain()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with connected("127.0.0.1", server.sockets[0].getsockname()[1], Watch()) as (reader, writer):
            writer.write(b"STARTTLS\r\n")
            await reader.readline()
            peer = await tls.upgrade(reader, writer, where="mail", server_name="mail.example", timeout_s=5)
            writer.write(b"hello\r\n")
            said = await reader.readline()
        server.close()
        return peer, said

    peer, said = apart(story())
    assert (peer.faults, peer.subject, said) == ((), "mail.example", b"heard hello\r\n")


def test_damaged_certificates_are_read_or_refused_in_words(authority: Authority) -> None:
    der = ssl.PEM_cert_to_DER_cert(
        authority.chain("127.0.0.1").read_text().partition("-----END PRIVATE KEY-----")[2].strip()
    )
    now, chance = dt.datetime.now(dt.UTC), random.Random(7)
    for _ in range(2_000):
        damaged = bytearray(der)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            assert tls.read([bytes(damaged), b"no certificate"], server_name="127.0.0.1", version="", now=now).sent == 2
        except Down as down:
            assert down.reason.startswith("The certificate cannot be read")
