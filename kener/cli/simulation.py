"""Simulated services on loopback that fail and recover on a script: python -m kener.cli.simulation PORT."""

import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kener.cli.processes import die_with_parent

CYCLE_S = 120
SCRIPT: dict[str, list[tuple[int, int, str]]] = {
    "payment-api": [(20, 65, "down")],
    "search": [(75, 105, "slow")],
}
USUAL_S = {"dashboard": 0.12, "checkout": 0.18, "payment-api": 0.1, "search": 0.06, "webhooks": 0.08}
STARTED = time.monotonic()


def state_of(name: str, elapsed_s: float) -> str:
    """`up`, `slow` or `down`: what the script says of a service so many seconds after the start."""
    moment = elapsed_s % CYCLE_S
    return next((state for start, end, state in SCRIPT.get(name, []) if start <= moment < end), "up")


class Handler(BaseHTTPRequestHandler):
    """Answers `/name` as the script says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.strip("/").partition("?")[0]
        state = state_of(name, time.monotonic() - STARTED)
        usual = USUAL_S.get(name, 0.03) * random.uniform(0.8, 1.3)  # noqa: S311 - a little life
        time.sleep(1.3 if state == "slow" else usual)
        body = f"{name}: {state}\n".encode()
        self.send_response(503 if state == "down" else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Every check would be a line."""


def main(port: int) -> None:
    """Serve until the process manager stops us."""
    die_with_parent()
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
