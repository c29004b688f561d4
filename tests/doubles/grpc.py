"""A real gRPC server with the standard health service."""

from concurrent import futures
from pathlib import Path
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.UNKNOWN
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class _Scripted(health_pb2_grpc.HealthServicer):
    """Fails as it is told."""

    def __init__(self, fail: Any) -> None:
        self._fail = fail

    def Check(self, request: Any, context: Any) -> Any:
        return self._fail(request, context)


class GrpcDouble:
    """`with GrpcDouble() as grpc: grpc.set("shop", NOT_SERVING) … grpc.port`. `pem`: a file with a key and its certificate, for TLS.

    `answer(request, context)` takes the place of the health service; with `health_service=False` there is none.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", pem: Path | None = None, health_service: bool = True, answer: Any = None
    ) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        self._health = health.HealthServicer()
        if answer is not None:
            health_pb2_grpc.add_HealthServicer_to_server(_Scripted(answer), self._server)
        elif health_service:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        place = f"[{host}]:0" if ":" in host else f"{host}:0"
        if pem:
            text = pem.read_bytes()
            self.port = self._server.add_secure_port(place, grpc.ssl_server_credentials([(text, text)]))
        else:
            self.port = self._server.add_insecure_port(place)

    def set(self, service: str, state: Any) -> None:
        self._health.set(service, state)

    def __enter__(self) -> Self:
        self.set("", SERVING)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait(5)
