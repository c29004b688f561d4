"""Tables, and behaviour that needs only its own rows."""

from kener.models.accounts import ApiKey, Role, User, UserSession
from kener.models.alerts import (
    Alert,
    AlertConfiguration,
    Decision,
    Streak,
    configuration_monitor,
    configuration_trigger,
)
from kener.models.deliveries import Delivery, DeliveryState
from kener.models.drills import Drill
from kener.models.incidents import AffectedMonitor, Incident, IncidentUpdate
from kener.models.maintenance import Maintenance, MaintenanceMonitor, MaintenanceWindow
from kener.models.monitors import Monitor, MonitorState
from kener.models.samples import Daily, Hourly, Sample, SampleNote
from kener.models.site import AuditEntry, Setting
from kener.models.triggers import Trigger

__all__ = [
    "AffectedMonitor",
    "Alert",
    "AlertConfiguration",
    "ApiKey",
    "AuditEntry",
    "Daily",
    "Decision",
    "Delivery",
    "DeliveryState",
    "Drill",
    "Hourly",
    "Incident",
    "IncidentUpdate",
    "Maintenance",
    "MaintenanceMonitor",
    "MaintenanceWindow",
    "Monitor",
    "MonitorState",
    "Role",
    "Sample",
    "SampleNote",
    "Setting",
    "Streak",
    "Trigger",
    "User",
    "UserSession",
    "configuration_monitor",
    "configuration_trigger",
]
