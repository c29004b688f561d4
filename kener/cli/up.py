"""`kener up`: one process tree under supervisor. Light at import, since it is what every start waits for.

What it does: take the data folder's lock, look whether the port is free, find the embedded Redis, write the configuration, say
what runs where, and become the process manager.
"""

import errno
import fcntl
import os
import resource
import shlex
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from click import ClickException, echo

from kener.cli import embedded_redis
from kener.cli.processes import WEB_GRACE_S, address, environment
from kener.settings import Settings, redis_socket

WORKER_GRACE_S = 25
STARTED_S = 5
PORT_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Program:
    """A child of the process manager."""

    name: str
    command: tuple[str, ...]
    about: str
    grace_s: int = WORKER_GRACE_S


def run_up(settings: Settings, *, workers: int, extra: Mapping[str, Sequence[str]] | None = None) -> None:
    """Start everything, and `extra` commands by name, until SIGTERM or SIGINT. Raises ClickException, or does not return."""
    try:
        embedded_redis.private_folder(run_folder(settings))
        lock(run_folder(settings) / "up.lock", settings.data_dir)
    except (embedded_redis.Unusable, OSError) as error:
        raise ClickException(f"The data folder {settings.data_dir} cannot be used: {error}") from error
    require_free_port(settings)
    require_redis(settings)
    more = [Program(name, tuple(command), "runs beside") for name, command in (extra or {}).items()]
    chosen = [*programs(settings, workers=workers), *more]
    configuration = write_configuration(run_folder(settings), chosen)
    announce(settings, chosen)
    os.environ.update(environment(settings), PYTHONUNBUFFERED="1")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "kener.cli.supervise", str(configuration)])  # noqa: S606 - no shell wanted


def run_folder(settings: Settings) -> Path:
    """Where sockets, locks and the process manager's files live."""
    return settings.data_dir / "run"


def lock(path: Path, data_dir: Path) -> None:
    """Hold the data folder. The lock outlives the exec, and the kernel drops it however the process manager ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        raise ClickException(
            f"Kener runs already on {data_dir} (process {owner}). Stop it first, or choose another folder with --data."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    os.set_inheritable(handle, True)


def require_free_port(settings: Settings) -> None:
    """Refuse a port that is taken, after waiting a moment for a server that is about to end."""
    deadline = time.monotonic() + PORT_PATIENCE_S
    while (problem := _cannot_listen(settings.host, settings.port)) == errno.EADDRINUSE and time.monotonic() < deadline:
        time.sleep(0.1)
    if problem == errno.EADDRINUSE:
        raise ClickException(
            f"Port {settings.port} on {settings.host} is taken by another program. Choose another one with --port or PORT."
        )
    if problem:
        raise ClickException(f"Cannot listen on {settings.host}, port {settings.port}: {os.strerror(problem)}.")


def require_redis(settings: Settings) -> None:
    """Refuse to start without any Redis."""
    if settings.redis_url:
        return
    if embedded_redis.binary() is None:
        raise ClickException(
            "There is no Redis: install redis-server or valkey-server, or set REDIS_URL to one that runs elsewhere."
        )


def programs(settings: Settings, *, workers: int) -> list[Program]:
    """What runs, in the order in which it starts. Ends in the opposite order, Redis last."""
    chosen = []
    if not settings.redis_url:
        server = (sys.executable, "-m", "kener.cli.embedded_redis")
        where = f"{embedded_redis.binary()} on {redis_socket(settings.data_dir)}"
        chosen.append(Program("redis", server, where, grace_s=WEB_GRACE_S))
    chosen.append(_role("web", "web", address(settings), grace_s=WEB_GRACE_S + 5))
    chosen.append(_role("schedule", "schedule", "finds the checks that are due"))
    for number in range(1, workers + 1):
        name = "checks" if workers == 1 else f"checks-{number}"
        chosen.append(_role(name, "checks", "runs checks and decides about alerts and incidents"))
    # One process for both: they mostly wait, and a process more costs 65 MB.
    chosen.append(_role("background", "background", "sends messages and forgets what is older than it is kept"))
    return chosen


def write_configuration(folder: Path, chosen: Sequence[Program]) -> Path:
    """Write supervisor's configuration, readable by this user only. It holds no secrets: those travel in the environment."""
    path = folder / "supervisord.conf"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(configuration(chosen))
    return path


def configuration(chosen: Sequence[Program]) -> str:
    """Supervisor's configuration. Redis is a group of its own, so that it ends when everybody who uses it has ended."""
    others = [program for program in chosen if program.name != "redis"]
    user = "user=root\n" if os.getuid() == 0 else ""
    head = (
        "[supervisord]\n"
        "nodaemon=true\n"
        "logfile=/dev/null\n"
        "logfile_maxbytes=0\n"
        "loglevel=info\n"
        "pidfile=%(here)s/supervisord.pid\n"
        "nocleanup=true\n"
        f"minfds={_descriptors()}\n"
        "minprocs=1\n"
        f"{user}"
    )
    group = f"[group:kener]\nprograms={','.join(program.name for program in others)}\npriority=20\n"
    return "\n".join([head, *(_section(program, number) for number, program in enumerate(chosen, 1)), group])


def announce(settings: Settings, chosen: Sequence[Program]) -> None:
    """Say what runs where."""
    echo(f"Kener {version('kener')} at {settings.origin or address(settings)}")
    echo(f"  {'data':<12}   {settings.data_dir}")
    echo(f"  {'database':<12}   {settings.database_name}")
    if settings.redis_url:
        echo(f"  {'redis':<12}   REDIS_URL")
    for program in chosen:
        echo(f"  {program.name:<12}   {program.about}")


def _role(name: str, role: str, about: str, *, grace_s: int = WORKER_GRACE_S) -> Program:
    return Program(name, (sys.executable, "-m", "kener.cli", role), about, grace_s)


def _section(program: Program, number: int) -> str:
    command = shlex.join(program.command).replace("%", "%%")
    return (
        f"[program:{program.name}]\n"
        f"command={command}\n"
        f"priority={number}\n"
        "autorestart=true\n"
        f"startsecs={STARTED_S}\n"
        "startretries=1000000000\n"
        f"stopwaitsecs={program.grace_s}\n"
        "stopasgroup=false\n"
        "killasgroup=true\n"
        "redirect_stderr=true\n"
        "stdout_logfile=NONE\n"
    )


def _descriptors() -> int:
    """As many open files as this user may have, up to what the checks can use."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)


def _cannot_listen(host: str, port: int) -> int:
    """The error number of an attempt to listen, 0 when it works."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    try:
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
            probe.listen(1)
    except OSError as error:
        return error.errno or errno.EINVAL
    return 0
