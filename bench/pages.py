"""The public page, polls and feeds: time of the first render, requests per CPU second from then on, size on the wire."""

import gzip
import http.client
import time
from typing import Any

from bench import fill
from bench.product import Product

MONITORS = 100


def measure() -> dict[str, Any]:
    """Start a product with 100 monitors × 90 days that checks nothing, and read its pages."""
    product = Product()
    try:
        fill.monitors(product.data, MONITORS, target_port=None)
        fill.history(product.data, MONITORS)
        fill_updates(product)
        first_start = product.start()
        product.stop()
        second_start = product.start()
        time.sleep(2)
        figures = {
            "start_s": round(second_start, 2),
            "first_start_s": round(first_start, 2),
            "first_render_ms": _first_render(product),
            **_body(product),
            "pages_per_cpu_s": _rate(product, "/", 3_000),
            "polls_per_cpu_s": _rate(product, _poll_path(product), 5_000),
            "feeds_per_cpu_s": _rate(product, "/atom.xml", 2_000),
        }
    finally:
        product.stop()
    return figures


def fill_updates(product: Product) -> None:
    """Fifty feed entries."""
    from datetime import timedelta

    from kener import clock
    from kener.domain.incidents import IncidentState
    from kener.domain.inputs import IncidentInput, UpdateInput
    from kener.services import incidents
    from kener.services.audit import Actor

    with fill.app_on(product.data).app_context():
        for i in range(25):
            start = clock.now() - timedelta(days=i + 10)
            incident_id = incidents.create(
                IncidentInput(title=f"Incident {i}", start_at=start),
                actor=Actor("bench"),
                first_update=_update(start, IncidentState.INVESTIGATING),
            )
            incidents.post_update(
                incident_id, _update(start + timedelta(minutes=30), IncidentState.RESOLVED), actor=Actor("bench")
            )
    assert UpdateInput


def _update(at: Any, state: Any) -> Any:
    from kener.domain.inputs import UpdateInput

    return UpdateInput(
        state=state, text="Something happened, and here are two sentences about it. They have a **bold** word.", at=at
    )


def _first_render(product: Product) -> float:
    """The median time of the page's first render after a change of the revision, in milliseconds of CPU of the web process."""
    times = []
    for _ in range(7):
        _touch(product)
        time.sleep(1.2)
        before = product.cpu_s()["web"]
        _get(product, "/")
        times.append((product.cpu_s()["web"] - before) * 1000)
    return round(sorted(times)[len(times) // 2], 1)


def _touch(product: Product) -> None:
    from kener import live

    with fill.app_on(product.data).app_context():
        live.publish()


def _body(product: Product) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    connection.request("GET", "/", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    body = answer.read()
    packed = answer.headers.get("Content-Encoding") == "gzip"
    connection.close()
    plain = gzip.decompress(body) if packed else body
    return {
        "page_kb": round(len(plain) / 1024, 1),
        "page_gzip_kb": round(len(body if packed else gzip.compress(body)) / 1024, 1),
    }


def _poll_path(product: Product) -> str:
    """The page's own next request, with the revision it has seen."""
    import re

    text = _get(product, "/").decode()
    found = re.search(r'hx-get="([^"]*seen=[^"]*)"', text)
    assert found, "the page does not poll"
    return found.group(1).replace("&amp;", "&")


def _get(product: Product, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body


def _rate(product: Product, path: str, number: int) -> int:
    """Requests per CPU second of the web process, over one keep-alive connection."""
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    for _ in range(20):
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        connection.getresponse().read()
    before = product.cpu_s()["web"]
    for _ in range(number):
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        connection.getresponse().read()
    used = product.cpu_s()["web"] - before
    connection.close()
    return round(number / max(used, 0.01))
