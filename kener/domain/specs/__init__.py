"""Monitor types and their settings: one module per type, one schema for form, API and import.

Field names follow the original where it has them, so that its definitions can be taken over. A new type needs its word and label in
`base.MonitorType`, a module here, its line in `SPECS`, a probe in `kener.probes` and a form in `templates/manage/monitors/types/`.
"""

from typing import Any

from kener.domain.specs.api import ApiSpec, Header
from kener.domain.specs.base import HttpUrl, MonitorType, Spec
from kener.domain.specs.dns import DnsSpec
from kener.domain.specs.gamedig import GamedigSpec
from kener.domain.specs.group import GroupSpec
from kener.domain.specs.grpc import GrpcSpec
from kener.domain.specs.heartbeat import HeartbeatSpec
from kener.domain.specs.manual import NoneSpec
from kener.domain.specs.ping import PingSpec
from kener.domain.specs.sql import SqlSpec
from kener.domain.specs.ssl import SslSpec
from kener.domain.specs.starttls import StarttlsSpec
from kener.domain.specs.tcp import TcpSpec
from kener.domain.specs.udp import UdpSpec
from kener.domain.specs.websocket import WebsocketSpec

__all__ = [
    "SPECS",
    "ApiSpec",
    "DnsSpec",
    "GamedigSpec",
    "GroupSpec",
    "GrpcSpec",
    "Header",
    "HeartbeatSpec",
    "HttpUrl",
    "MonitorType",
    "NoneSpec",
    "PingSpec",
    "Spec",
    "SqlSpec",
    "SslSpec",
    "StarttlsSpec",
    "TcpSpec",
    "UdpSpec",
    "WebsocketSpec",
    "parse_spec",
]

SPECS: dict[MonitorType, type[Spec]] = {
    MonitorType.API: ApiSpec,
    MonitorType.SSL: SslSpec,
    MonitorType.DNS: DnsSpec,
    MonitorType.TCP: TcpSpec,
    MonitorType.GRPC: GrpcSpec,
    MonitorType.PING: PingSpec,
    MonitorType.UDP: UdpSpec,
    MonitorType.GAMEDIG: GamedigSpec,
    MonitorType.STARTTLS: StarttlsSpec,
    MonitorType.WEBSOCKET: WebsocketSpec,
    MonitorType.SQL: SqlSpec,
    MonitorType.HEARTBEAT: HeartbeatSpec,
    MonitorType.GROUP: GroupSpec,
    MonitorType.NONE: NoneSpec,
}


def parse_spec(monitor_type: MonitorType, data: dict[str, Any]) -> Spec:
    """The settings of one type. Raises pydantic.ValidationError naming each bad field, ValueError for a type that is none."""
    if monitor_type not in SPECS:
        raise ValueError(f"there is no type {monitor_type}.")
    return SPECS[monitor_type].model_validate(data)
