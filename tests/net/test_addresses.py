"""Which addresses may be reached."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kener.net import CHECKS, TRIGGERS, for_triggers

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::169.254.169.254",
    "no address",
]
INSIDE = [
    "127.0.0.1",
    "127.8.9.10",
    "::1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12:3456::1",
    "240.0.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
]
OUTSIDE = ["1.1.1.1", "203.0.114.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", NEVER)
def test_link_local_metadata_and_unspecified_addresses_are_refused_by_everyone(address: str) -> None:
    assert CHECKS.objection(address)
    assert TRIGGERS.objection(address)
    assert not TRIGGERS.lifted_by_setting(address)


@pytest.mark.parametrize("address", INSIDE)
def test_inside_addresses_are_for_checks_and_not_for_triggers(address: str) -> None:
    assert CHECKS.objection(address) is None
    assert TRIGGERS.objection(address)
    assert TRIGGERS.lifted_by_setting(address)
    assert for_triggers(allow_private=True).objection(address) is None


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_for_everyone(address: str) -> None:
    assert CHECKS.objection(address) is None
    assert for_triggers(allow_private=False).objection(address) is None


def test_an_objection_names_the_address_and_its_kind() -> None:
    assert CHECKS.objection("169.254.169.254") == "169.254.169.254 is a link-local address"
    assert TRIGGERS.objection("::1") == "::1 is a loopback address"
    assert TRIGGERS.objection("10.0.0.1") == "10.0.0.1 is a private address"


@given(st.ip_addresses(v=4))
def test_an_address_of_the_fourth_version_is_judged_alike_in_every_disguise(address: ipaddress.IPv4Address) -> None:
    for policy in (CHECKS, TRIGGERS):
        plain = policy.objection(str(address)) is None
        assert (policy.objection(f"::ffff:{address}") is None) is plain
        if not plain:
            assert policy.objection(f"64:ff9b::{address}")
            assert policy.objection(str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80))))


@given(st.ip_addresses())
def test_whatever_checks_may_not_reach_triggers_may_not_either(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if CHECKS.objection(str(address)):
        assert TRIGGERS.objection(str(address))
