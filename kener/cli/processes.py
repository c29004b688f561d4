"""The roles of the product as processes: how each one starts, and how it ends with its parent."""

import ctypes
import os
import runpy
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from kener.settings import Settings

if TYPE_CHECKING:
    from flask import Flask

PR_SET_PDEATHSIG = 1
WEB_THREADS = 8
WEB_GRACE_S = 10


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies, however the parent dies. Linux only; elsewhere nothing happens.

    Kill, not terminate: nothing here needs a goodbye, and the data folder must be free for the next start at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make another process read the same settings, the options of the command line included."""
    known = {
        "KENER_DATA_DIR": str(settings.data_dir),
        "KENER_SECRET_KEY": settings.secret_key,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "HOST": settings.host,
        "PORT": str(settings.port),
    }
    return {name: value for name, value in known.items() if value}


def exec_workers(role: str, settings: Settings) -> None:
    """Become `python -m workers ROLE`. By name, since `kener` imports nothing of `workers`."""
    os.environ.update(environment(settings))
    sys.argv = ["workers", role]
    runpy.run_module("workers", run_name="__main__", alter_sys=True)


def serve_web(settings: Settings) -> None:
    """Serve the pages until SIGTERM or SIGINT; requests in flight are answered first."""
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    os.environ.update(environment(settings))
    server = Server(
        "kener",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=WEB_THREADS,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=WEB_GRACE_S,
    )
    server.serve(target_loader=partial(load_web, settings), wrap_loader=False)


def load_web(settings: Settings) -> "Flask":
    """The app, in the process that serves it: a child of the one that holds the port."""
    die_with_parent()
    from kener.app import create_app

    app = create_app(settings)
    app.logger.info("serving %s", address(settings))
    announce_set_up(app, settings)
    return app


def announce_set_up(app: "Flask", settings: Settings) -> None:
    """On an empty install, print the way to the set-up page with its one-time token."""
    from sqlalchemy.exc import SQLAlchemyError

    from kener.db import reading
    from kener.services import accounts

    with app.app_context():
        try:
            if not accounts.is_set_up(reading()):
                where = settings.origin or address(settings)
                click.echo(f"There is no account yet. Set up at {where}/setup?token={accounts.setup_token()}")
        except SQLAlchemyError as error:
            app.logger.error("the database does not answer: %s", error)


def address(settings: Settings) -> str:
    """Where a browser on this machine finds the pages."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - shown, not bound
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{settings.port}"
