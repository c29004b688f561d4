"""A process of its own in a network of its own, with or without the right to send ICMP: the kernel itself refuses or allows.

As `python -m tests.support.confined WAY`, it reads Python source from its input, runs it there and lets it print. It ends with 77 where
this machine lets no process make a network of its own; giving a right up needs none.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Literal

from tests.support.requirements import NETWORKS, missing

Way = Literal["none", "datagram", "raw"]

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_CAP_NET_RAW = 13
_DROP_FROM_BOUNDING_SET = 24
_SET_FLAGS, _IS_UP = 0x8914, 0x41
_NOT_HERE = 77


def confined(source: str, *, icmp: Way) -> str:
    """What the source printed. Skips the test where this machine allows no network of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.confined", icmp],
        input=source,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode == _NOT_HERE:
        missing(NETWORKS, "This machine lets no process have a network of its own")
    assert done.returncode == 0, done.stderr
    return done.stdout


def _enter(way: str) -> None:
    system = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if system.unshare(_NEW_NET | (_NEW_USER if user else 0)):
        if way == "none":
            _give_up(system, _CAP_NET_RAW)
            return
        sys.exit(_NOT_HERE)
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _IS_UP))
    groups = "0 0" if way == "datagram" else "1 0"
    Path("/proc/sys/net/ipv4/ping_group_range").write_text(groups)
    if way != "raw":
        system.prctl(_DROP_FROM_BOUNDING_SET, _CAP_NET_RAW, 0, 0, 0)
        _give_up(system, _CAP_NET_RAW)


def _give_up(system: ctypes.CDLL, capability: int) -> None:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    assert system.capget(header, sets) == 0
    for place in range(3):
        sets[place] &= ~(1 << capability)
    assert system.capset(header, sets) == 0


if __name__ == "__main__":
    _enter(sys.argv[1])
    exec(compile(sys.stdin.read(), "<confined>", "exec"), {"__name__": "confined"})
