"""Tables, and behaviour that needs only its own rows."""

from kener.domain.windows import WindowState
from kener.models.accounts import ApiKey, Role, User, UserSession
from kener.models.alerts import (
    Alert,
    AlertConfiguration,
    Decision,
    Streak,
    configuration_monitor,
    configuration_trigger,
)
from kener.models.deliveries import Delivery, DeliveryAttempt, DeliveryState
from kener.models.drills import Drill
from kener.models.incidents import AffectedMonitor, Incident, IncidentUpdate
from kener.models.maintenance import Maintenance, MaintenanceMonitor, MaintenanceNotice, MaintenanceWindow
from kener.models.monitors import (
    ExcludedWindow,
    GroupMember,
    HeartbeatSignal,
    Monitor,
    MonitorLabel,
    MonitorParent,
    MonitorState,
)
from kener.models.pages import Page, PageMonitor
from kener.models.samples import Daily, Hourly, Sample, SampleNote
from kener.models.secrets import Secret
from kener.models.site import AuditEntry, Setting
from kener.models.subscribers import Confirmation, Notice, NoticeDelivery, Subscriber, Subscription
from kener.models.triggers import Trigger

__all__ = [
    "AffectedMonitor",
    "Alert",
    "AlertConfiguration",
    "ApiKey",
    "AuditEntry",
    "Confirmation",
    "Daily",
    "Decision",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
    "Drill",
    "ExcludedWindow",
    "GroupMember",
    "HeartbeatSignal",
    "Hourly",
    "Incident",
    "IncidentUpdate",
    "Maintenance",
    "MaintenanceMonitor",
    "MaintenanceNotice",
    "MaintenanceWindow",
    "Monitor",
    "MonitorLabel",
    "MonitorParent",
    "MonitorState",
    "Notice",
    "NoticeDelivery",
    "Page",
    "PageMonitor",
    "Role",
    "Sample",
    "SampleNote",
    "Secret",
    "Setting",
    "Streak",
    "Subscriber",
    "Subscription",
    "Trigger",
    "User",
    "UserSession",
    "WindowState",
    "configuration_monitor",
    "configuration_trigger",
]
