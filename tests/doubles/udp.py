"""A UDP server that answers each datagram as it is told."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


def echo(said: bytes) -> list[bytes]:
    return [said]


def nothing(_said: bytes) -> list[bytes]:
    return []


@dataclass
class UdpDouble:
    """`with UdpDouble(lambda said: [b"pong"], delay_s=0.1) as server: … server.port … server.heard`."""

    answers: Callable[[bytes], list[bytes]] = echo
    host: str = "127.0.0.1"
    delay_s: float = 0.0
    heard: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.host, 0))
        self._socket.settimeout(0.05)
        self._ended = threading.Event()
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=10)
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                said, sender = self._socket.recvfrom(65_536)
            except TimeoutError:
                continue
            self.heard.append(said)
            self.asker = sender
            for answer in self.answers(said):
                time.sleep(self.delay_s)
                self._socket.sendto(answer, sender)
