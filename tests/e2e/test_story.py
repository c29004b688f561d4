"""The promise of the product, from a failing service to a closed incident, with nothing simulated but the service."""

import os
import re
import signal
import time
from email.message import Message
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

from kener.domain.durations import in_words
from tests.e2e.conftest import Mailbox, Product, Received, Target, wait_for

pytestmark = pytest.mark.browser


def _plain(message: Message) -> str:
    part = next(part for part in message.walk() if part.get_content_type() == "text/plain")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def _watch(product: Product, target: Target, receiver: Received) -> None:
    hook = product.api(
        "POST",
        "/triggers",
        {"name": "Pager", "trigger_type": "webhook", "url": receiver.url, "secret": "correct horse battery"},
    )["trigger"]
    mail = product.api(
        "POST", "/triggers", {"name": "Mail", "trigger_type": "email", "to": ["oncall@thistlewick.example"]}
    )["trigger"]
    product.api(
        "POST",
        "/monitors",
        {
            "tag": "payment-api",
            "name": "Payment API",
            "type_data": {"url": target.url, "timeout": 3000},
            "interval_seconds": 10,
        },
    )
    product.api(
        "POST",
        "/alert-configurations",
        {
            "monitor_tags": ["payment-api"],
            "failure_threshold": 2,
            "success_threshold": 2,
            "severity": "CRITICAL",
            "create_incident": "YES",
            "trigger_ids": [hook["id"], mail["id"]],
        },
    )


def _alerts(product: Product) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.api("GET", "/alerts")["alerts"]
    return found


def test_a_failing_service_opens_an_incident_and_its_recovery_closes_it(
    product: Product, target: Target, receiver: Received, mailbox: Mailbox, chromium: Any
) -> None:
    _watch(product, target, receiver)
    wait_for(lambda: target.calls >= 1, timeout_s=20)
    page = chromium.new_page()
    page.goto(product.url)
    page.evaluate("window.arrived = 'once'")
    assert "Payment API STATUS: DOWN" not in page.inner_text("main")

    target.healthy = False
    wait_for(lambda: len(receiver.requests) >= 1, timeout_s=45)
    wait_for(lambda: len(mailbox.messages) >= 1, timeout_s=20)
    page.get_by_role("link", name="Payment API STATUS: DOWN").first.wait_for(timeout=40_000)
    assert page.evaluate("window.arrived") == "once", "the page was reloaded"

    target.healthy = True
    wait_for(lambda: _alerts(product)[0]["alert_status"] == "RESOLVED", timeout_s=45)
    wait_for(lambda: len(receiver.requests) >= 2 and len(mailbox.messages) >= 2, timeout_s=20)
    time.sleep(12)

    alerts = _alerts(product)
    assert len(alerts) == 1
    incidents = product.api("GET", "/incidents")["incidents"]
    assert [incident["title"] for incident in incidents] == ["Payment API STATUS: DOWN"]
    incident = incidents[0]
    assert incident["state"] == "RESOLVED"
    comments = product.api("GET", f"/incidents/{incident['id']}/comments")["comments"]
    assert sorted(comment["state"] for comment in comments) == ["INVESTIGATING", "RESOLVED"]

    lasted = in_words(incident["end_date_time"] - incident["start_date_time"])
    closing = next(comment["comment"] for comment in comments if comment["state"] == "RESOLVED")
    assert closing.startswith(f"The alert has been resolved, Total duration: {lasted}")
    page.goto(f"{product.url}/incidents/{incident['id']}")
    assert f"Total duration: {lasted}" in page.inner_text("main")

    assert [body["alert_status"] for body in receiver.bodies()] == ["TRIGGERED", "RESOLVED"]
    assert len({headers["X-Kener-Delivery"] for headers, _ in receiver.requests}) == 2
    assert all(re.match(r"t=\d+,v1=[0-9a-f]{64}$", headers["X-Kener-Signature"]) for headers, _ in receiver.requests)
    assert len(mailbox.messages) == 2
    assert lasted in _plain(mailbox.messages[1])

    entries = ElementTree.fromstring(product.text("/atom.xml")).findall("{http://www.w3.org/2005/Atom}entry")
    assert len(entries) == 2


def test_a_killed_child_comes_back_and_a_stop_leaves_nothing_behind(product: Product) -> None:
    parent = psutil.Process(product.process.pid)
    killed = wait_for(
        lambda: next((child.pid for child in parent.children(recursive=True) if "checks" in _words(child)), 0),
        timeout_s=20,
    )
    os.kill(killed, signal.SIGKILL)
    wait_for(
        lambda: any("checks" in _words(child) and child.pid != killed for child in parent.children(recursive=True)),
        timeout_s=20,
    )
    children = parent.children(recursive=True)
    product.stop()
    wait_for(lambda: not any(_lives(child) for child in children), timeout_s=10)
    assert not product.answers()


def _words(process: psutil.Process) -> list[str]:
    """Its command line; of one that has just ended, nothing."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
