"""Guarded outgoing HTTP: an address policy applied at connect time, hard deadlines, bounded answers.

`request` asks once and waits; `run` asks many at once. Both use libcurl, take no proxy from the environment, keep no cookies, reuse no
connection, and follow redirects only to http and https and only as far as the request says.
"""

from kener.net.addresses import CHECKS, TRIGGERS, AddressPolicy, for_triggers
from kener.net.client import Unreachable, look_up, request, run, tend_names
from kener.net.exchange import Answer, Cause, Failure, Request

__all__ = [
    "CHECKS",
    "TRIGGERS",
    "AddressPolicy",
    "Answer",
    "Cause",
    "Failure",
    "Request",
    "Unreachable",
    "for_triggers",
    "look_up",
    "request",
    "run",
    "tend_names",
]
